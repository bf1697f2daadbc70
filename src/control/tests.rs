use super::*;
use crate::{admin::new_admin, net::Shutdown, signal::Address};

#[tokio::test]
async fn caller_has_things_done_until_the_server_drains() {
    let (admin, folder) = new_admin();
    assert!(Caller::connect(folder.path()).await.unwrap().is_none());
    // A process that was killed left its socket.
    drop(std::os::unix::net::UnixListener::bind(socket_path(folder.path())).unwrap());
    assert!(Caller::connect(folder.path()).await.unwrap().is_none());

    let control = Control::open(folder.path()).unwrap();
    let mode = fs::metadata(socket_path(folder.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (shutdown, signal) = Shutdown::new();
    let server = tokio::spawn(control.serve(admin, signal));
    let mut caller = Caller::connect(folder.path()).await.unwrap().unwrap();
    let alice = Address::parse("alice@example.org").unwrap();
    let add = Command::Add { address: alice.clone(), password: "secret".to_owned(), admin: true };
    assert_eq!(caller.perform(&add).await.unwrap(), Ok(Answer::Done));
    assert_eq!(caller.perform(&add).await.unwrap(), Err("the account exists already".to_owned()));
    let shown = caller.perform(&Command::Show { address: alice }).await.unwrap();
    assert!(matches!(shown, Ok(Answer::Account(view)) if view.account.is_admin));

    shutdown.drain(Duration::from_secs(5));
    drop(caller);
    server.await.unwrap();
    assert!(Caller::connect(folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_command_is_answered_and_what_is_too_long_ends_the_connection() {
    let (admin, folder) = new_admin();
    let control = Control::open(folder.path()).unwrap();
    let (_shutdown, signal) = Shutdown::new();
    tokio::spawn(control.serve(admin, signal));
    for (text, expect) in [
        ("nonsense\n".to_owned(), "{\"error\":\"not understood: "),
        ("{\"do\":\"list\",\"x\":1}\n".to_owned(), "{\"error\":\"not understood: unknown field"),
        ("{\"do\":\"list\",\"after\":null}\n".to_owned(), "{\"ok\":{\"is\":\"accounts\""),
        (" ".repeat(70_000), ""),
    ] {
        let mut stream = UnixStream::connect(socket_path(folder.path())).await.unwrap();
        // The server may close before it has read all.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut answer = vec![0; expect.len().max(1)];
        let read = stream.read_exact(&mut answer).await;
        let heard = if read.is_ok() { String::from_utf8(answer).unwrap() } else { String::new() };
        assert_eq!(heard, expect, "{text:.40}");
    }
}
