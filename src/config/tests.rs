use toml::Value;

use super::*;

const EXAMPLE: &str = include_str!("../../config/example.toml");
const DEV: &str = include_str!("../../config/dev.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("test.toml"), text).map_err(|error| error.to_string())
}

/// The full name of every option that has a value.
fn options(prefix: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Table(table) => {
            let name = |key: &String| if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            table.iter().flat_map(|(key, value)| options(&name(key), value)).collect()
        }
        _ => vec![prefix.to_owned()],
    }
}

#[test]
fn empty_file_is_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

/// Who logs in is told the presence of all contacts before he can have read any of it.
#[test]
fn sessions_have_room_for_the_presence_of_every_contact() {
    let config = parse("").unwrap();
    let rooms = [config.xmpp.queue, config.xmpp.unacknowledged, config.api.queue];
    assert!(rooms.into_iter().all(|room| room > config.account.contacts * 3 / 2), "{rooms:?}");
}

#[test]
fn example_is_the_defaults_and_names_every_option() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
    let shown = options("", &toml::from_str(EXAMPLE).unwrap());
    let all = options("", &Value::try_from(Config::default()).unwrap());
    let missing: Vec<_> = all.iter().filter(|option| !shown.contains(option)).collect();
    assert!(missing.is_empty(), "config/example.toml lacks {missing:?}");
}

#[test]
fn every_option_of_the_example_is_explained() {
    let mut explained = false;
    for (at, line) in EXAMPLE.lines().enumerate() {
        let is_option = line
            .split('=')
            .next()
            .is_some_and(|key| !key.is_empty() && !line.starts_with(['#', '[', ' ', ']']));
        assert!(!is_option || explained, "config/example.toml:{}: no comment above `{line}`", at + 1);
        explained = line.starts_with('#');
    }
}

#[test]
fn development_file_is_valid_and_stays_on_this_machine() {
    let config = parse(DEV).unwrap();
    assert_eq!(config.server.domain_names(), ["localhost"]);
    for option in options("", &toml::from_str(DEV).unwrap()) {
        let value =
            option.split('.').fold(toml::from_str::<Value>(DEV).unwrap(), |value, key| value[key].clone());
        let Value::Array(items) = value else { continue };
        for address in items.iter().filter_map(|item| item.as_str()?.parse::<std::net::SocketAddr>().ok()) {
            assert!(address.ip().is_loopback(), "{option}: {address}");
        }
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, expect) in [
        (
            "[server]\ndomain = 'a.example'",
            "test.toml:2: unknown field `domain`, expected `domains` or `data_dir`",
        ),
        ("[sever]\n", "test.toml:1: unknown field `sever`"),
        ("[limits]\n\ndepth = 'deep'", "test.toml:3: invalid type: string \"deep\", expected usize"),
        ("[limits]\n\ndepth = 9999", "test.toml:3: limits.depth is 9999, it must be between 8 and 256"),
        ("# none\nlimits.bytes = { per_second = 0, burst = 1 }", "test.toml:2: limits.bytes.per_second is 0"),
        ("[limits]\nconnections = 5", "test.toml:1: limits.connections_per_address is 256"),
        ("[auth]\nguesses = 0", "test.toml:2: auth.guesses is 0"),
        ("[account]\nsessions = 0", "test.toml:2: account.sessions is 0"),
        ("[storage]\nreaders = 0", "test.toml:2: storage.readers is 0"),
        ("[server]\ndomains = []", "test.toml:2: server.domains is empty"),
        (
            "[server]\ndomains = ['a.example', 'A.example']",
            "test.toml:2: server.domains names a.example twice",
        ),
        ("[server]\ndomains = ['a@b.example']", "test.toml:2: server.domains has an address, a@b.example"),
        ("[server]\ndomains = ['a b']", "test.toml:2: the domain is empty or has a character"),
        ("[log]\nfilter = 'rollcall=loud'", "test.toml:2: log.filter is not a log filter"),
        ("[log]\nformat = 'xml'", "test.toml:2: unknown variant `xml`, expected `text` or `json`"),
        ("[[tls.certificates]]\ncertificate = 'a.pem'", "test.toml:1: missing field `key`"),
        ("a = [1,\n\n", "test.toml:"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(expect), "{text:?}: {error}");
    }
}

#[test]
fn missing_file_is_named() {
    let error = Config::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn store_is_in_the_data_folder() {
    let config = parse("server.data_dir = '/srv/rollcall'").unwrap();
    assert_eq!(config.storage.data_dir, Path::new("/srv/rollcall"));
    assert!(parse("storage.data_dir = 'elsewhere'").is_err());
}
