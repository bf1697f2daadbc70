//! linphone: a real SIP phone without sound or picture, driven over the standard input of its daemon.
//!
//! It prints what happens as `Event-type: …` and lines of `Key: value`. Each one has a folder of its own, as
//! it keeps its instance in a database there.

use std::{fs, net::SocketAddr};

use tokio::process::Command;

use super::{PASSWORD, Program};

/// A running phone.
pub(crate) struct Linphone {
    program: Program,
    folder: tempfile::TempDir,
}

impl Linphone {
    /// Starts the phone of `USER@localhost` over TCP and waits until it is registered.
    pub(crate) async fn registered(user: &str, server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(".local/share/linphone")).unwrap();
        fs::write(folder.path().join("config"), configuration(user, server)).unwrap();
        let mut command = Command::new("linphone-daemon");
        command.env("HOME", folder.path()).args(["--disable-stats-events", "--auto-answer"]);
        command.arg("--config").arg(folder.path().join("config"));
        command.arg("--log").arg(folder.path().join("log"));
        let program = Program::start(&format!("linphone of {user}"), &mut command);
        let mut phone = Self { program, folder };
        loop {
            phone.say("register-status ALL").await;
            let state = phone.value("State").await;
            if state == "LinphoneRegistrationOk" {
                return phone;
            }
        }
    }

    /// Gives a command, such as `call sip:bob@localhost`.
    pub(crate) async fn say(&mut self, command: &str) {
        self.program.say(command).await;
    }

    /// The next value that it prints for a key.
    pub(crate) async fn value(&mut self, key: &str) -> String {
        let prefix = format!("{key}: ");
        self.program.hear(key, move |line| line.strip_prefix(&prefix).map(str::to_owned)).await
    }

    /// Waits for a message with this text.
    pub(crate) async fn read(&mut self, text: &str) {
        let content = format!("\"{text}\"");
        while self.value("Content").await != content {}
    }

    /// Waits until a call is in this state, such as `LinphoneCallStreamsRunning`.
    pub(crate) async fn call_is(&mut self, state: &str) {
        while self.value("Event").await != state {}
    }

    /// All that it sent and got, as it logged it.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }
}

fn configuration(user: &str, server: SocketAddr) -> String {
    format!(
        "[sip]\nsip_port=0\nsip_tcp_port=-2\nsip_tls_port=0\nuse_ipv6=0\ndefault_proxy=0\n\
         [proxy_0]\nreg_proxy=<sip:{server};transport=tcp>\nreg_route=<sip:{server};transport=tcp;lr>\n\
         reg_identity=sip:{user}@localhost\nreg_sendregister=1\nreg_expires=600\npublish=0\n\
         [auth_info_0]\nusername={user}\npasswd={PASSWORD}\nrealm=localhost\n"
    )
}
