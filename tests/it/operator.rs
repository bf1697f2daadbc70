//! What an operator does at the command line, with the real program.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use rollcall::{config::Config, server::Server, signal::Address};

/// A data folder and the configuration file of a server that listens nowhere.
struct Place {
    _folder: tempfile::TempDir,
    config: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rollcall.toml");
    let text = format!(
        "[server]\ndomains = ['example.org']\ndata_dir = '{}'\n\
         [xmpp]\nstarttls = []\ndirect_tls = []\n\
         [api]\nhttp = []\nhttps = []\n\
         [federation]\nenabled = false\n\
         [sip]\nudp = []\ntcp = []\ntls = []\n\
         [auth]\nargon2_memory_kib = 8\nargon2_passes = 1\nscram_iterations = 1\n",
        folder.path().join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    Place { _folder: folder, config }
}

/// Runs the program as `rollcall account …` and gives what it printed.
fn account(place: &Place, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .arg("account")
        .args(arguments)
        .arg("--config")
        .arg(&place.config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads no input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn succeeds(place: &Place, arguments: &[&str], input: &str) -> String {
    let output = account(place, arguments, input);
    let (said, complained) = texts(&output);
    assert!(output.status.success(), "{arguments:?}: {said}{complained}");
    said
}

fn fails(place: &Place, arguments: &[&str], input: &str) -> String {
    let output = account(place, arguments, input);
    assert!(!output.status.success(), "{arguments:?}");
    texts(&output).1
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The life of an account, the same whoever does it.
fn live(place: &Place) {
    let alice = "alice@example.org";
    assert_eq!(succeeds(place, &["list"], ""), "");
    succeeds(place, &["add", alice, "--admin", "--password-stdin"], "secret\n");
    succeeds(place, &["add", "Bob@Example.org", "--password-stdin"], "secret\n");
    assert_eq!(
        fails(place, &["add", alice, "--password-stdin"], "x\n"),
        "rollcall: the account exists already\n"
    );
    assert!(fails(place, &["add", "carol@example.org"], "x\n").contains("--password-stdin"));
    assert_eq!(succeeds(place, &["list"], ""), "alice@example.org  administrator\nbob@example.org\n");

    succeeds(place, &["set", alice, "accepted-senders=nobody", "offline-storage=off", "admin=off"], "");
    let shown = succeeds(place, &["show", alice], "");
    for line in ["alice@example.org", "accepted-senders    nobody", "offline-storage     off"] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(fails(place, &["set", alice, "offline-storage=perhaps"], "").contains("it can be on or off"));

    let made = succeeds(place, &["device", "add", alice, "desk phone"], "");
    assert_eq!(made.lines().nth(1).map(str::len), Some(29), "{made}");
    let listed = succeeds(place, &["device", "list", alice], "");
    assert!(listed.contains("desk phone") && listed.contains("never"), "{listed}");
    let id = listed.split_whitespace().next().unwrap();
    succeeds(place, &["device", "remove", alice, id], "");
    assert_eq!(fails(place, &["device", "remove", alice, id], ""), "rollcall: there is no such device\n");

    assert_eq!(succeeds(place, &["reports"], ""), "");
    assert_eq!(fails(place, &["reports", "--forget", "7"], ""), "rollcall: there is no such report\n");
    succeeds(place, &["remove", "bob@example.org"], "");
    assert_eq!(fails(place, &["show", "bob@example.org"], ""), "rollcall: there is no such account\n");
    succeeds(place, &["passwd", alice, "--password-stdin"], "new secret\n");
}

#[test]
fn accounts_are_administered_without_a_server() {
    live(&place());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_administered_while_the_server_runs() {
    let place = place();
    let server = Server::start(Config::load(&place.config).unwrap()).await.unwrap();
    let place = tokio::task::spawn_blocking(move || {
        live(&place);
        place
    })
    .await
    .unwrap();
    let (alice, peer) = (Address::parse("alice@example.org").unwrap(), IpAddr::from([127, 0, 0, 1]));
    assert!(server.authenticator().verify_password(&alice, "secret", peer).await.is_err());
    assert!(server.authenticator().verify_password(&alice, "new secret", peer).await.is_ok());
    server.stop().await;
    // Afterwards the command line does it itself, on what the server left.
    let listed = tokio::task::spawn_blocking(move || succeeds(&place, &["list"], "")).await.unwrap();
    assert_eq!(listed, "alice@example.org\n");
}

#[test]
fn configuration_is_checked_with_the_line() {
    let place = place();
    let check = |file: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        texts(&command.arg("check-config").arg(file).output().unwrap())
    };
    assert_eq!(check(&place.config), (format!("{} is fine\n", place.config.display()), String::new()));
    let mut text = std::fs::read_to_string(&place.config).unwrap();
    let line = text.lines().count() + 1;
    text.push_str("argon2_passes_ = 1\n");
    std::fs::write(&place.config, text).unwrap();
    let (said, complained) = check(&place.config);
    assert_eq!(said, "");
    assert!(complained.contains(&format!("rollcall.toml:{line}: unknown field")), "{complained}");
}

/// A hang-up would kill a program that does not expect it.
#[test]
fn running_server_takes_a_hang_up_and_stops_when_told() {
    let place = place();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.arg("serve").arg("--config").arg(&place.config);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("is ready for example.org"), "{said}");
    for signal in ["-HUP", "-TERM"] {
        assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
    }
    assert!(server.wait().unwrap().success());
}

#[test]
fn help_is_there_at_each_level() {
    for level in [
        "",
        "serve",
        "check-config",
        "account",
        "account add",
        "account passwd",
        "account list",
        "account show",
        "account remove",
        "account set",
        "account device",
        "account device add",
        "account device list",
        "account device remove",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        let output = command.args(level.split_whitespace()).arg("--help").output().unwrap();
        let (said, _) = texts(&output);
        assert!(output.status.success() && said.contains("Example"), "{level}: {said}");
    }
    let version = Command::new(env!("CARGO_BIN_EXE_rollcall")).arg("--version").output().unwrap();
    assert_eq!(texts(&version).0, concat!("rollcall ", env!("CARGO_PKG_VERSION"), "\n"));
}
