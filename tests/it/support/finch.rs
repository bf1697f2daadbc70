//! finch: the phone of libpurple, on a terminal of its own. What it hears and does it writes into its
//! log, which is read here.

use std::{fs, net::SocketAddr, path::Path};

use tokio::process::Command;

use super::{PASSWORD, Program};

/// A running finch, which ends with this.
pub(crate) struct Finch {
    log: Program,
    /// Takes its terminal, and so finch itself, with it.
    _terminal: Program,
    _folder: tempfile::TempDir,
}

impl Finch {
    /// Starts a phone of `USER@localhost` over UDP that publishes and watches its friends at `localhost`, and waits
    /// until it is registered. (On a connection, libpurple 2.14 handles one message of each read: a NOTIFY that
    /// comes together with a response waits for whatever comes next.)
    pub(crate) async fn registered(user: &str, server: SocketAddr, friends: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        configure(home, user, server, friends);
        let log = home.join("log");
        Program::start("mkfifo", Command::new("mkfifo").arg(&log)).finish().await;
        let run = format!("finch -c {home} -d 2>{log}", home = home.display(), log = log.display());
        let mut terminal = Command::new("script");
        terminal.args(["-qfec", &run, "/dev/null"]).env("TERM", "xterm").env("HOME", home);
        let terminal = Program::start(&format!("finch of {user}"), &mut terminal);
        let log = Program::start("the log of finch", Command::new("cat").arg(&log));
        let mut finch = Self { log, _terminal: terminal, _folder: folder };
        finch.notes("process register response").await;
        finch
    }

    /// Waits until it notes this.
    #[track_caller]
    pub(crate) fn notes(&mut self, words: &str) -> impl Future<Output = ()> {
        let wanted = words.to_owned();
        self.log.hear(wanted.clone(), move |line| line.contains(&wanted).then_some(()))
    }
}

fn configure(home: &Path, user: &str, server: SocketAddr, friends: &[&str]) {
    let setting = |name: &str, kind: &str, value: &str| {
        format!("<setting name='{name}' type='{kind}'>{value}</setting>")
    };
    let settings = [
        setting("proxy", "string", &server.ip().to_string()),
        setting("useproxy", "bool", "1"),
        setting("port", "int", &server.port().to_string()),
        setting("udp", "bool", "1"),
        setting("dopublish", "bool", "1"),
    ];
    let accounts = format!(
        "<?xml version='1.0' encoding='UTF-8'?><account version='1.0'><account><protocol>prpl-simple</protocol>\
         <name>{user}@localhost</name><password>{PASSWORD}</password><settings>{}</settings>\
         <settings ui='gnt-purple'>{}</settings></account></account>",
        settings.concat(),
        setting("auto-login", "bool", "1")
    );
    let buddy = |friend: &&str| {
        format!(
            "<contact><buddy account='{user}@localhost' proto='prpl-simple'><name>sip:{friend}@localhost</name></buddy></contact>"
        )
    };
    let buddies: String = friends.iter().map(buddy).collect();
    let list = format!(
        "<?xml version='1.0' encoding='UTF-8'?><purple version='1.0'><blist><group name='Buddies'>{buddies}</group></blist>\
         <privacy><account proto='prpl-simple' name='{user}@localhost' mode='1'/></privacy></purple>"
    );
    fs::write(home.join("accounts.xml"), accounts).unwrap();
    fs::write(home.join("blist.xml"), list).unwrap();
}
