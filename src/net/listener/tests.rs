use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::*;
use crate::net::{Limits, Shutdown};

/// A listener that echoes until its peer or the server ends.
struct Echo {
    address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
    open: Arc<AtomicUsize>,
}

/// What an echo connection does when the server drains.
#[derive(Clone, Copy)]
enum Manners {
    Polite,
    Stubborn,
}

fn echo(limits: &Limits, manners: Manners) -> Echo {
    let (shutdown, signal) = Shutdown::new();
    let listener = Listener::bind("echo", "127.0.0.1:0".parse().unwrap(), &Gate::new(limits)).unwrap();
    let address = listener.address();
    let open = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&open);
    let heard = signal.clone();
    let handler = move |mut stream: Stream| {
        let (counter, heard) = (Arc::clone(&counter), heard.clone());
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut byte = [0];
            loop {
                tokio::select! {
                    read = stream.read_exact(&mut byte) => if read.is_err() { break },
                    () = heard.draining(), if matches!(manners, Manners::Polite) => {
                        let _ = stream.write_all(b"!").await;
                        break;
                    }
                }
                stream.write_all(&byte).await.unwrap();
            }
            counter.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let serving = tokio::spawn(listener.serve(signal, handler));
    Echo { address, shutdown, serving, open }
}

impl Echo {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// The answer to one byte; `None` when the connection is closed instead.
async fn ask(tcp: &mut TcpStream, byte: u8) -> Option<u8> {
    let mut answer = [0];
    let asked = async {
        tcp.write_all(&[byte]).await?;
        tcp.read_exact(&mut answer).await
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap().ok()?;
    Some(answer[0])
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn connection_is_served() {
    let echo = echo(&Limits::default(), Manners::Polite);
    let mut tcp = echo.connect().await;
    assert_eq!(ask(&mut tcp, b'a').await, Some(b'a'));
}

#[tokio::test]
async fn greedy_address_is_closed_at_once() {
    let echo = echo(&Limits { connections_per_address: 1, ..Limits::default() }, Manners::Polite);
    let mut first = echo.connect().await;
    assert_eq!(ask(&mut first, b'a').await, Some(b'a'));
    assert_eq!(ask(&mut echo.connect().await, b'b').await, None);
    assert_eq!(ask(&mut first, b'c').await, Some(b'c'));
}

#[tokio::test]
async fn full_house_serves_the_waiting_when_someone_leaves() {
    let limits = Limits { connections: 1, connections_per_address: 1, ..Limits::default() };
    let echo = echo(&limits, Manners::Polite);
    let mut first = echo.connect().await;
    assert_eq!(ask(&mut first, b'a').await, Some(b'a'));
    let mut second = echo.connect().await;
    second.write_all(b"b").await.unwrap();
    assert_eq!(ask(&mut first, b'c').await, Some(b'c'));
    assert_eq!(echo.open.load(Ordering::SeqCst), 1);
    drop(first);
    let mut answer = [0];
    tokio::time::timeout(PATIENCE, second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"b");
}

#[tokio::test]
async fn drain_says_goodbye_and_refuses_new_connections() {
    let echo = echo(&Limits::default(), Manners::Polite);
    let mut tcp = echo.connect().await;
    assert_eq!(ask(&mut tcp, b'a').await, Some(b'a'));
    echo.shutdown.drain(PATIENCE);
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"!");
    let address = echo.address;
    echo.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stubborn_connection_is_cut_at_the_deadline() {
    let echo = echo(&Limits::default(), Manners::Stubborn);
    let mut tcp = echo.connect().await;
    assert_eq!(ask(&mut tcp, b'a').await, Some(b'a'));
    echo.shutdown.drain(Duration::from_millis(50));
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    echo.ended().await;
}

#[tokio::test]
async fn occupied_address_is_named_with_advice() {
    let gate = Gate::new(&Limits::default());
    let first = Listener::bind("web", "127.0.0.1:0".parse().unwrap(), &gate).unwrap();
    let error = Listener::bind("web", first.address(), &gate).unwrap_err().to_string();
    assert!(error.contains(&first.address().to_string()), "{error}");
    assert!(error.contains("another program uses it"), "{error}");
}

#[tokio::test]
async fn all_addresses_of_both_families_share_a_port() {
    let gate = Gate::new(&Limits::default());
    let Ok(v6) = Listener::bind("web", "[::]:0".parse().unwrap(), &gate) else { return };
    let v4 = SocketAddr::from(([0, 0, 0, 0], v6.address().port()));
    Listener::bind("web", v4, &gate).unwrap();
}

#[test]
fn backoff_doubles_up_to_its_cap_and_skips_lost_peers() {
    let mut backoff = Backoff::default();
    assert_eq!(backoff.after(&io::ErrorKind::ConnectionAborted.into()), None);
    let out_of_files = io::Error::from_raw_os_error(24);
    let waits: Vec<_> = (0..9).map(|_| backoff.after(&out_of_files).unwrap().as_millis()).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
}
