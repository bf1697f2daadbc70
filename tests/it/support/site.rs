//! A whole server in a process of its own, for what only a kill shows: the same folder, configuration and
//! ports each time that it is started.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{PASSWORD, Program, loopback};

/// A server's folder, configuration and ports, which outlive the process.
pub(crate) struct Site {
    config: PathBuf,
    /// Where XMPP clients begin in the clear and ask for TLS.
    pub(crate) xmpp: SocketAddr,
    /// Where XMPP clients speak in the clear.
    pub(crate) xmpp_plain: SocketAddr,
    /// Where phones speak, over UDP and TCP.
    pub(crate) sip: SocketAddr,
    /// Where browsers are served.
    pub(crate) web: SocketAddr,
}

impl Site {
    /// Writes the configuration; nothing is started.
    pub(crate) fn new(folder: &Path) -> Self {
        let here = loopback::next_address(15060);
        let [xmpp, xmpp_plain, sip, web] =
            [15222, 15223, 15060, 18080].map(|port| SocketAddr::from((here, port)));
        let config = folder.join("rollcall.toml");
        let data = folder.join("data");
        let text = format!(
            "[server]\ndomains = [\"localhost\"]\ndata_dir = {data:?}\n\
             [auth]\nargon2_memory_kib = 8\nargon2_passes = 1\nscram_iterations = 4096\n\
             [limits]\nconnections_per_address = 20000\nmessages = {{ per_second = 1000000, burst = 1000000 }}\n\
             [xmpp]\nstarttls = [\"{xmpp}\"]\ndirect_tls = []\nplain = [\"{xmpp_plain}\"]\n\
             [federation]\nenabled = false\n\
             [sip]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\ntls = []\npublish_min_seconds = 1\n\
             [api]\nhttp = [\"{web}\"]\nhttps = []\n"
        );
        fs::write(&config, text).unwrap();
        Self { config, xmpp, xmpp_plain, sip, web }
    }

    /// Adds to the configuration.
    pub(crate) fn configure(&self, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(&self.config).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rollcall(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.env("ROLLCALL_CONFIG", &self.config);
        command
    }

    /// Makes the account `LOCAL@localhost` with [`PASSWORD`].
    pub(crate) async fn add_account(&self, local: &str) {
        let mut command = self.rollcall();
        command.args(["account", "add", &format!("{local}@localhost"), "--password-stdin"]);
        let mut program = Program::start(&format!("rollcall account add {local}"), &mut command);
        program.say(PASSWORD).await;
        program.finish().await;
    }

    /// Gives the account `LOCAL@localhost` another password, with or without a server.
    pub(crate) async fn set_password(&self, local: &str, password: &str) {
        let mut command = self.rollcall();
        command.args(["account", "passwd", &format!("{local}@localhost"), "--password-stdin"]);
        let mut program = Program::start(&format!("rollcall account passwd {local}"), &mut command);
        program.say(password).await;
        program.finish().await;
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn serve(&self) -> Program {
        let mut server = Program::start("rollcall serve", self.rollcall().arg("serve"));
        let page = format!("http://{}/", self.web);
        server.hear("where the page is", |line| line.contains(&page).then_some(())).await;
        server
    }
}
