//! linphonec: the phone of Belledonne, driven by its command line. It publishes while it runs and prints
//! what it hears of its friends.

use std::{fs, net::SocketAddr, path::Path};

use tokio::process::Command;

use super::{PASSWORD, Program};

/// A running linphonec, which ends with this.
pub(crate) struct Linphonec {
    program: Program,
    _folder: tempfile::TempDir,
}

impl Linphonec {
    /// Starts a phone of `USER@localhost` over TCP that watches its friends at `localhost`, and waits
    /// until it is registered.
    pub(crate) async fn registered(user: &str, server: SocketAddr, friends: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        // It makes a database there, and no folder for it.
        fs::create_dir_all(home.join(".local/share/linphone")).unwrap();
        configure(home, user, server, friends);
        let mut command = Command::new("linphonec");
        command.arg("-c").arg(home.join("linphonerc")).env("HOME", home);
        let mut phone =
            Self { program: Program::start(&format!("linphonec of {user}"), &mut command), _folder: folder };
        // It takes a while, and tells only who asks.
        loop {
            phone.program.say("status register").await;
            let answer = phone
                .program
                .hear("an answer", |line| line.contains("registered").then(|| line.contains("identity=")));
            if answer.await {
                return phone;
            }
        }
    }

    /// Waits until it says that a friend is so: `Online`, `Offline`, `Away`.
    #[track_caller]
    pub(crate) fn sees(&mut self, friend: &str, state: &str) -> impl Future<Output = ()> {
        let wanted = format!("<sip:{friend}@localhost> is {state}");
        self.program.hear(wanted.clone(), move |line| line.contains(&wanted).then_some(()))
    }

    /// Takes back all that it published and subscribed to, and ends.
    pub(crate) async fn quit(mut self) {
        self.program.say("quit").await;
        self.program.finish().await;
    }
}

fn configure(home: &Path, user: &str, server: SocketAddr, friends: &[&str]) {
    let mut text = format!(
        "[sip]\ndefault_proxy=0\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nmedia_encryption=none\n\
         [proxy_0]\nreg_proxy=<sip:{server};transport=tcp>\nreg_route=<sip:{server};transport=tcp;lr>\n\
         reg_identity=sip:{user}@localhost\nreg_expires=600\nreg_sendregister=1\npublish=1\n\
         publish_expires=600\n\
         [auth_info_0]\nusername={user}\npasswd={PASSWORD}\nrealm=localhost\ndomain=localhost\n"
    );
    for (number, friend) in friends.iter().enumerate() {
        text.push_str(&format!("[friend_{number}]\nurl=<sip:{friend}@localhost>\npol=accept\nsubscribe=1\n"));
    }
    fs::write(home.join("linphonerc"), text).unwrap();
}
