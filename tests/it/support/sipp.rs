//! SIPp: a scripted SIP peer. Scenarios are files in `tests/interop/sipp`.

use std::{net::SocketAddr, path::PathBuf};

use tokio::process::Command;

use super::{Program, repository};

/// One run of a scenario. The address is the server's; the rest has defaults.
pub(crate) struct Sipp {
    command: Command,
    name: String,
    /// SIPp writes its logs and screens where it is told, and they end with the test.
    folder: tempfile::TempDir,
}

/// What carries the messages, as SIPp's `-t` has it.
#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Sipp {
    /// A single run of `tests/interop/sipp/SCENARIO.xml` against the server, from the loopback.
    pub(crate) fn new(scenario: &str, server: SocketAddr, transport: Transport) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sipp");
        let file = repository("tests/interop/sipp").join(format!("{scenario}.xml"));
        let transport = match transport {
            Transport::Udp => "u1",
            Transport::Tcp => "t1",
        };
        command.arg(server.to_string()).arg("-sf").arg(file).args(["-t", transport, "-m", "1"]);
        command.args(["-i", "127.0.0.1", "-nostdin", "-trace_err", "-timeout", "60s", "-timeout_error"]);
        command.arg("-error_file").arg(folder.path().join("errors"));
        Self { command, name: format!("sipp {scenario}"), folder }
    }

    /// Logs in as `user` where the scenario has `[authentication]`; `[service]` is the user too.
    pub(crate) fn login(mut self, user: &str, password: &str) -> Self {
        self.command.args(["-au", user, "-ap", password, "-s", user]);
        self
    }

    /// Sets `[KEY]` of the scenario.
    pub(crate) fn key(mut self, key: &str, value: &str) -> Self {
        self.command.args(["-key", key, value]);
        self
    }

    /// Any other option.
    pub(crate) fn option(mut self, option: &str, value: &str) -> Self {
        self.command.args([option, value]);
        self
    }

    /// Where its errors are written.
    fn errors(&self) -> PathBuf {
        self.folder.path().join("errors")
    }

    /// Starts the run; [`Program::finish`] waits for its success.
    pub(crate) fn start(&mut self) -> Program {
        Program::start(&self.name, &mut self.command)
    }

    /// Runs to the end, which has to be a success.
    pub(crate) async fn run(mut self) {
        let program = self.start();
        let errors = self.errors();
        let shown = ShowOnPanic(errors);
        program.finish().await;
        drop(shown);
    }
}

/// Prints a file when the test fails around it.
struct ShowOnPanic(PathBuf);

impl Drop for ShowOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.0).unwrap_or_default());
        }
    }
}
