//! Prosody of Debian as a neighbour.

use std::{fmt::Write as _, fs, net::SocketAddr};

use tokio::process::Command;

use super::town::{PORT, Town};
use crate::support::{PASSWORD, Program};

/// A running Prosody for one domain.
pub(crate) struct Prosody {
    program: Program,
    /// Where clients are served.
    pub(crate) clients: SocketAddr,
}

impl Prosody {
    /// A Prosody in the so-manieth house of the town, with these accounts; `more` is Lua for its configuration.
    pub(crate) async fn start(town: &Town, house: u8, domain: &str, accounts: &[&str], more: &str) -> Self {
        let address = town.address(house);
        town.names().add_host(domain, address);
        if !town.file(&format!("{domain}.pem")).exists() {
            town.certificate(domain);
        }
        let data = town.file(&format!("{domain}.prosody"));
        let encode = |byte: u8| match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        };
        let encoded = |text: &str| text.bytes().map(encode).collect::<String>();
        let folder = data.join(encoded(domain)).join("accounts");
        fs::create_dir_all(&folder).unwrap();
        for local in accounts {
            let account = format!("return {{ password = \"{PASSWORD}\" }};");
            fs::write(folder.join(format!("{}.dat", encoded(local))), account).unwrap();
        }
        let clients = SocketAddr::new(address, 5222);
        let config = town.file(&format!("{domain}.cfg.lua"));
        fs::write(&config, configuration(town, domain, clients, more)).unwrap();
        let mut command = Command::new("prosody");
        command.arg("-F").arg("--config").arg(&config);
        let mut program = Program::start(&format!("prosody of {domain}"), &mut command);
        // Its log is its output.
        let served = format!("Activated service 's2s' on [{address}]:{PORT}");
        program.hear("its start", |line| line.contains(&served).then_some(())).await;
        Self { program, clients }
    }

    /// Waits for a line of its log that has this text.
    pub(crate) async fn hear(&mut self, text: &str) {
        self.program.hear(text, |line| line.contains(text).then_some(())).await;
    }

    /// The same, where the line is about streams of such a kind.
    pub(crate) async fn hear_from(&mut self, kind: &str, text: &str) {
        self.program.hear(text, |line| (line.contains(kind) && line.contains(text)).then_some(())).await;
    }

    /// Whether its log has a line with this text that nobody waited for.
    pub(crate) fn has_heard(&mut self, text: &str) -> bool {
        self.program.has_heard(|line| line.contains(text))
    }

    /// Ends it without warning.
    pub(crate) async fn kill(&mut self) {
        self.program.kill().await;
    }
}

fn configuration(town: &Town, domain: &str, clients: SocketAddr, more: &str) -> String {
    let path = |name: String| town.file(&name).display().to_string();
    let mut out = String::new();
    let name_server = town.name_server();
    let _ = write!(
        out,
        r#"
run_as_root = true
pidfile = "{pid}"
data_path = "{data}"
interfaces = {{ "{address}" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ {PORT} }}
s2s_direct_tls_ports = {{ 5270 }}
modules_enabled = {{
    "disco", "roster", "saslauth", "tls", "dialback", "carbons", "pep", "vcard4", "vcard_legacy", "ping", "mam",
    "presence", "message", "iq", "s2s", "s2s_auth_certs", "offline", "blocklist", "smacks", "s2s_bidi",
}}
modules_disabled = {{ "posix" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
s2s_require_encryption = true
default_archive_policy = true
unbound = {{
    resolvconf = false, hoststxt = false, forward = "{forward}@{forward_port}",
    options = {{ ["do-not-query-localhost:"] = "no" }},
}}
ssl = {{ certificate = "{certificate}", key = "{key}", cafile = "{root}", capath = false }}
log = {{ {{ levels = {{ min = "debug" }}, to = "console" }} }}
{more}
VirtualHost "{domain}"
"#,
        pid = path(format!("{domain}.pid")),
        data = path(format!("{domain}.prosody")),
        address = clients.ip(),
        port = clients.port(),
        forward = name_server.ip(),
        forward_port = name_server.port(),
        certificate = path(format!("{domain}.pem")),
        key = path(format!("{domain}.key")),
        root = town.root().display(),
    );
    out
}
