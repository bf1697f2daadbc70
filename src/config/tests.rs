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
        ("[xmpp]\nbosh = '/xcap-root/a'", "test.toml:2: xmpp.bosh is /xcap-root/a, where xcap.root is"),
        (
            "[components]\nservices = [{ domain = 'localhost', secret = 's' }]",
            "test.toml:2: components.services has localhost which is a domain of this server's own accounts",
        ),
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
fn numbers_out_of_range_are_named_with_what_they_may_be() {
    for (section, option, expect) in [
        ("limits", "connections = 0", "connections is 0, it must be between 1 and 1000000"),
        ("limits", "connections = 5", "connections_per_address is 256, it must be between 1 and 5"),
        ("limits", "drain_seconds = 301", "drain_seconds is 301, it must be between 0 and 300 seconds"),
        ("limits", "message_bytes = 1", "message_bytes is 1, it must be between 4096 and 67108864 bytes"),
        ("limits", "depth = 9999", "depth is 9999, it must be between 8 and 256"),
        (
            "limits",
            "bytes = { per_second = 0, burst = 1 }",
            "bytes.per_second is 0, it must be between 1 and 1000000000 bytes per second",
        ),
        ("storage", "readers = 65", "readers is 65, it must be between 1 and 64"),
        (
            "storage",
            "offline_bytes = 1",
            "offline_bytes is 1, it must be between 1024 and 1099511627776 bytes",
        ),
        ("auth", "guesses = 0", "guesses is 0, it must be between 1 and 1000"),
        ("auth", "argon2_memory_kib = 7", "argon2_memory_kib is 7, it must be between 8 and 1048576 KiB"),
        ("auth", "fast_days = 366", "fast_days is 366, it must be between 0 and 365 days"),
        ("account", "sessions = 0", "sessions is 0, it must be between 1 and 10000"),
        ("account", "idle_seconds = 0", "idle_seconds is 0, it must be between 1 and 86400 seconds"),
        (
            "account",
            "files_bytes = 17592186044417",
            "files_bytes is 17592186044417, it must be between 0 and 17592186044416 bytes",
        ),
        (
            "account",
            "domain_archive_days = { 'a.example' = 1, 'b.example' = 36501 }",
            "domain_archive_days is 36501, it must be between 0 and 36500 days",
        ),
        ("xmpp", "login_attempts = 0", "login_attempts is 0, it must be between 1 and 100"),
        ("xmpp", "ping_seconds = 1", "ping_seconds is 1, it must be between 10 and 86400 seconds"),
        (
            "xmpp",
            "external_services = [{ type = 'turn', host = 'h', seconds = 1 }]",
            "external_services.seconds is 1, it must be between 60 and 604800 seconds",
        ),
        ("federation", "pairs = 0", "pairs is 0, it must be between 1 and 10000"),
        ("federation", "idle_seconds = 9", "idle_seconds is 9, it must be between 10 and 86400 seconds"),
        (
            "federation",
            "stanzas = { per_second = 1, burst = 0 }",
            "stanzas.burst is 0, it must be between 1 and 1000000000 stanzas",
        ),
        ("components", "queue_bytes = 1", "queue_bytes is 1, it must be between 65536 and 1073741824 bytes"),
        ("api", "queue = 1", "queue is 1, it must be between 16 and 100000"),
        ("api", "token_seconds = 59", "token_seconds is 59, it must be between 60 and 3153600000 seconds"),
        ("sip", "devices = 0", "devices is 0, it must be between 1 and 1000"),
        ("sip", "call_hours = 169", "call_hours is 169, it must be between 1 and 168 hours"),
        (
            "sip",
            "notify_interval_ms = 5001",
            "notify_interval_ms is 5001, it must be between 0 and 5000 milliseconds",
        ),
        (
            "sip",
            "register_default_seconds = 30",
            "register_default_seconds is 30, it must be between 60 and 7200 seconds",
        ),
        ("webhooks", "seconds = 61", "seconds is 61, it must be between 1 and 60 seconds"),
        ("webhooks", "tries = 11", "tries is 11, it must be between 1 and 10"),
    ] {
        let error = parse(&format!("[{section}]\n{option}")).unwrap_err();
        let (place, said) = error.split_once(": ").unwrap();
        assert!(place.starts_with("test.toml:"), "{error}");
        assert_eq!(said, format!("{section}.{expect}"), "{option}");
    }
}

/// The full names of all numbers of a configuration.
fn numbers(prefix: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| {
                numbers(&format!("{prefix}{}{key}", if prefix.is_empty() { "" } else { "." }), value)
            })
            .collect(),
        Value::Integer(_) => vec![prefix.to_owned()],
        _ => Vec::new(),
    }
}

#[test]
fn every_number_has_a_range_and_its_default_is_within() {
    let config = Config::default();
    assert_eq!(config.check(), Ok(()));
    let all = numbers("", &Value::try_from(&config).unwrap());
    let ranges = config.ranges();
    let known: Vec<String> = ranges
        .iter()
        .flat_map(|(section, table)| table.iter().map(move |(name, ..)| format!("{section}.{name}")))
        .collect();
    let missing: Vec<_> = all.iter().filter(|number| !known.contains(number)).collect();
    assert!(all.len() > 100 && missing.is_empty(), "{} numbers, without a range: {missing:?}", all.len());
    let unknown: Vec<_> = known.iter().filter(|name| !all.contains(name)).collect();
    assert_eq!(unknown, ["account.domain_archive_days"], "that is a number for each domain");
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
