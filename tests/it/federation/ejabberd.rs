//! ejabberd of Debian as a neighbour, started as `erl`: no name service is left behind, no user is changed.

use std::{fmt::Write as _, fs, net::SocketAddr, process};

use tokio::process::Command;

use super::town::{PORT, Town};
use crate::support::{PASSWORD, Program};

/// A running ejabberd for one domain.
pub(crate) struct Ejabberd {
    program: Program,
    /// Where clients are served.
    pub(crate) clients: SocketAddr,
}

impl Ejabberd {
    /// An ejabberd in the so-manieth house of the town, with these accounts.
    pub(crate) async fn start(town: &Town, house: u8, domain: &str, accounts: &[&str]) -> Self {
        let address = town.address(house);
        town.names().add_host(domain, address);
        town.certificate(domain);
        let clients = SocketAddr::new(address, 5222);
        fs::write(town.file("ejabberd.yml"), configuration(town, domain, clients)).unwrap();
        fs::write(town.file("inetrc"), inetrc(town)).unwrap();
        fs::create_dir_all(town.file("spool")).unwrap();
        let mut command = Command::new("erl");
        command
            .args(["+sbwt", "none", "-noinput", "-mnesia", "dir"])
            .arg(format!("\"{}\"", town.file("spool").display()))
            .args(["-s", "ejabberd", "-eval", &register(domain, accounts)])
            .env("EJABBERD_CONFIG_PATH", town.file("ejabberd.yml"))
            .env("EJABBERD_LOG_PATH", town.file("ejabberd.log"))
            .env("ERL_CRASH_DUMP_BYTES", "0")
            .env("ERL_INETRC", town.file("inetrc"))
            .env("HOME", town.file(""))
            .env("ERL_LIBS", library());
        let mut program = Program::start("ejabberd", &mut command);
        program.hear("its accounts", |line| line.contains("accounts are there").then_some(())).await;
        Self { program, clients }
    }

    /// Waits for a line of its log that has this text.
    pub(crate) async fn hear(&mut self, text: &str) {
        self.program.hear(text, |line| line.contains(text).then_some(())).await;
    }

    /// Ends it without warning.
    pub(crate) async fn kill(&mut self) {
        self.program.kill().await;
    }
}

/// What makes the accounts as soon as the server is there.
fn register(domain: &str, accounts: &[&str]) -> String {
    let mut out = "Wait = fun W() -> case lists:keymember(ejabberd, 1, application:which_applications()) of \
                   true -> ok; false -> timer:sleep(100), W() end end, Wait(), "
        .to_owned();
    for local in accounts {
        let _ = write!(
            out,
            "ok = ejabberd_auth:try_register(<<\"{local}\">>, <<\"{domain}\">>, <<\"{PASSWORD}\">>), "
        );
    }
    out.push_str("io:format(\"accounts are there~n\").");
    out
}

/// The folder in which Debian keeps Erlang's libraries.
fn library() -> String {
    let listed = process::Command::new("dpkg").args(["-L", "ejabberd"]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let code = listed.lines().find(|line| line.ends_with("/ebin")).expect("scripts/setup installs ejabberd");
    code.rsplitn(3, '/').last().unwrap().to_owned()
}

/// Erlang asks the town for services. Unless told that there are no such files, it asks the servers of
/// `/etc/resolv.conf` first, whatever is said here. For hosts ejabberd asks the system.
fn inetrc(town: &Town) -> String {
    let server = town.name_server();
    let digits = server.ip().to_string().replace('.', ",");
    let port = server.port();
    format!(
        "{{resolv_conf,\"\"}}.\n{{hosts_file,\"\"}}.\n{{lookup,[dns]}}.\n{{nameserver,{{{digits}}},{port}}}.\n"
    )
}

fn configuration(town: &Town, domain: &str, clients: SocketAddr) -> String {
    let path = |name: &str| town.file(name).display().to_string();
    format!(
        r#"
loglevel: info
hosts: ["{domain}"]
certfiles: ["{both}"]
ca_file: "{root}"
s2s_use_starttls: required
listen:
  - {{port: {port}, ip: "{address}", module: ejabberd_c2s, starttls: true}}
  - {{port: {PORT}, ip: "{address}", module: ejabberd_s2s_in}}
access_rules: {{c2s: {{allow: all}}, s2s: {{allow: all}}, local: {{allow: all}}}}
auth_password_format: scram
acme: {{auto: false}}
modules:
  mod_adhoc: {{}}
  mod_avatar: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_mam: {{default: always}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_roster: {{versioning: true}}
  mod_s2s_dialback: {{}}
  mod_vcard: {{search: false}}
  mod_vcard_xupdate: {{}}
"#,
        both = path(&format!("{domain}.both.pem")),
        root = town.root().display(),
        port = clients.port(),
        address = clients.ip(),
    )
}
