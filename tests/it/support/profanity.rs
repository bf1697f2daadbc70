//! profanity: an XMPP client for terminals, driven under tmux: its user types, and sees what is on the screen.

use std::{fs, net::SocketAddr, time::Duration};

use tokio::process::Command;

use super::{PASSWORD, soon};

/// A person at profanity, in a terminal of her own.
pub(crate) struct Profanity {
    /// Holds its settings and the socket of tmux.
    folder: tempfile::TempDir,
}

impl Profanity {
    /// Starts it for `LOCAL@localhost`; it logs in by itself. `settings` is its `profrc`.
    pub(crate) async fn start(local: &str, server: SocketAddr, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, data) = (folder.path().join("config/profanity"), folder.path().join("data/profanity"));
        fs::create_dir_all(&config).unwrap();
        fs::create_dir_all(&data).unwrap();
        let account = format!("{local}@localhost");
        let connection = format!("[connection]\naccount={account}\n{settings}\n");
        fs::write(config.join("profrc"), connection).unwrap();
        let (host, port) = (server.ip(), server.port());
        // The certificate is one that nobody knows.
        let login = format!(
            "[{account}]\nenabled=true\njid={account}\nresource=profanity\nserver={host}\nport={port}\n\
             password={PASSWORD}\ntls.policy=trust\npresence.login=online\n"
        );
        fs::write(data.join("accounts"), login).unwrap();
        let profanity = Self { folder };
        profanity.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", "profanity"]).await;
        profanity
    }

    /// Types a line.
    pub(crate) async fn types(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]).await;
        self.tmux(&["send-keys", "Enter"]).await;
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) -> impl Future<Output = ()> {
        let looks = async move {
            while !self.screen().await.contains(text) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let caller = std::panic::Location::caller();
        async move {
            if tokio::time::timeout(super::PATIENCE, looks).await.is_err() {
                panic!("{caller}: no {text:?} on the screen:\n{}", self.screen().await);
            }
        }
    }

    /// What is on the screen now.
    pub(crate) async fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("tmux")).args(arguments);
        for (name, value) in [("HOME", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data")] {
            command.env(name, self.folder.path().join(value));
        }
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        command
    }

    async fn tmux(&self, arguments: &[&str]) -> String {
        let done = soon("tmux", self.command(arguments).output()).await;
        let done = done.unwrap_or_else(|error| panic!("tmux: {error}; scripts/setup installs it"));
        assert!(done.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

impl Drop for Profanity {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).as_std_mut().output();
    }
}

/// Between two looks at the screen, which nobody is told of.
const GLANCE: Duration = Duration::from_millis(50);
