//! baresip: a real SIP phone without sound, driven over its control port (`ctrl_tcp`).
//!
//! The control port speaks JSON in netstrings; what other people write appears on its standard error as
//! `sip:alice@localhost: "text"`. It has no sound card: what it hears is what it says.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
};

use super::{Program, soon};

/// A running phone.
pub(crate) struct Baresip {
    program: Program,
    control: TcpStream,
    /// Events that nobody has asked for yet.
    events: Vec<Value>,
    _folder: tempfile::TempDir,
}

/// How the phone is set up.
pub(crate) struct Phone<'a> {
    /// The user's address, `bob@localhost`.
    pub(crate) address: &'a str,
    /// His password.
    pub(crate) password: &'a str,
    /// The server.
    pub(crate) server: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub(crate) transport: &'a str,
    /// More account parameters, each with a leading semicolon: `;answermode=auto;pubint=600`.
    pub(crate) parameters: &'a str,
    /// Contacts, each `<sip:alice@localhost>`, with `;presence=p2p` to watch her. The first one gets
    /// the messages.
    pub(crate) contacts: &'a [&'a str],
}

impl Baresip {
    /// Starts a phone; it registers by itself.
    pub(crate) async fn start(phone: &Phone<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = free_port().await;
        configure(folder.path(), phone, control);
        let mut command = Command::new("baresip");
        let name = format!("baresip of {}", phone.address);
        let mut program = Program::start(&name, command.arg("-f").arg(folder.path()));
        program.hear("its readiness", |line| line.starts_with("baresip is ready").then_some(())).await;
        let control = soon("its control port", TcpStream::connect(control)).await.unwrap();
        Self { program, control, events: Vec::new(), _folder: folder }
    }

    /// Starts a phone and waits until it is registered.
    pub(crate) async fn registered(phone: &Phone<'_>) -> Self {
        let mut baresip = Self::start(phone).await;
        baresip.program.hear("its registration", |line| line.contains("200 OK").then_some(())).await;
        baresip
    }

    /// Gives a command of its menu, such as `dial` with an address, and returns what it prints.
    pub(crate) async fn command(&mut self, command: &str, parameters: &str) -> String {
        let line = json!({"command": command, "params": parameters, "token": "t"}).to_string();
        self.control.write_all(format!("{}:{line},", line.len()).as_bytes()).await.unwrap();
        loop {
            let heard = self.netstring().await;
            if heard["response"] == true {
                assert_eq!(heard["ok"], true, "{line}: {heard}{}", self.program.said());
                return heard["data"].as_str().unwrap_or_default().to_owned();
            }
            self.events.push(heard);
        }
    }

    /// Writes to the first contact.
    pub(crate) async fn write(&mut self, text: &str) {
        self.command("message", text).await;
    }

    /// Waits for an event of a type such as `CALL_ESTABLISHED`, and returns it.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
            return self.events.remove(at);
        }
        loop {
            let heard = self.netstring().await;
            if heard["type"] == kind {
                return heard;
            }
            self.events.push(heard);
        }
    }

    /// Waits for a message with a text, and returns the address that it came from.
    #[track_caller]
    pub(crate) fn read(&mut self, text: &str) -> impl Future<Output = String> {
        let ending = format!(": \"{text}\"");
        self.program.hear(text, move |line| line.strip_suffix(&ending).map(str::to_owned))
    }

    /// What it wrote so far, for a failure or a look at what it prints.
    pub(crate) fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    async fn netstring(&mut self) -> Value {
        let said = self.program.said();
        let read = async {
            let mut length = 0;
            loop {
                match self.control.read_u8().await? {
                    b':' => break,
                    digit => length = length * 10 + usize::from(digit - b'0'),
                }
            }
            let mut text = vec![0; length + 1];
            self.control.read_exact(&mut text).await?;
            text.pop();
            std::io::Result::Ok(text)
        };
        let text = soon(&format!("a word on the control port{said}"), read).await;
        serde_json::from_slice(&text.unwrap_or_else(|error| panic!("{error}{said}"))).unwrap()
    }
}

/// A port that was free a moment ago; baresip cannot choose one itself.
async fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn configure(folder: &Path, phone: &Phone<'_>, control: SocketAddr) {
    let modules = "/usr/lib/baresip/modules";
    let config = format!(
        "module_path {modules}\nmodule g711.so\nmodule aubridge.so\nmodule stdio.so\n\
         module_tmp uuid.so\nmodule_tmp account.so\nmodule_app contact.so\nmodule_app ctrl_tcp.so\n\
         module_app menu.so\nmodule_app presence.so\nctrl_tcp_listen {control}\nnet_interface 127.0.0.1\n\
         audio_player aubridge,nil\naudio_source aubridge,nil\naudio_alert aubridge,nil\n\
         rtp_ports 20000-40000\nsip_verify_server no\n"
    );
    let Phone { address, password, server, transport, parameters, .. } = phone;
    let account = format!(
        "<sip:{address};transport={transport}>;auth_pass={password};\
         outbound=\"sip:{server};transport={transport}\"{parameters}\n"
    );
    let contacts: String = phone.contacts.iter().map(|contact| format!("{contact}\n")).collect();
    fs::write(folder.join("config"), config).unwrap();
    fs::write(folder.join("accounts"), account).unwrap();
    fs::write(folder.join("contacts"), contacts).unwrap();
}

mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn phone_registers_and_obeys() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut baresip = Baresip::start(&Phone {
            address: "bob@localhost",
            password: "secret",
            server: server.local_addr().unwrap(),
            transport: "udp",
            parameters: "",
            contacts: &["<sip:alice@localhost>;presence=p2p"],
        })
        .await;
        let mut request = [0; 4000];
        let length = soon("a REGISTER", server.recv(&mut request)).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        assert!(request.starts_with("REGISTER sip:localhost"), "{request}");
        assert!(baresip.command("contacts", "").await.contains("alice@localhost"));
        assert!(!baresip.program().has_heard(|line| line.contains("could not load module")));
    }
}
