//! A bare relay without any parsing, and its load: what moving a message costs at the least.

use std::{collections::HashMap, io, net::SocketAddr};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::spawn_local,
};

use crate::measure::{Arguments, Meter, all, now_ns, since_us};

/// Forwards between the first and the second client, the third and the fourth, and so on, until killed.
pub async fn serve(args: &Arguments) -> anyhow::Result<()> {
    let address = address(args)?;
    match args.text("mode", "tcp").as_str() {
        "udp" => serve_udp(UdpSocket::bind(address).await?).await,
        _ => serve_tcp(TcpListener::bind(address).await?).await,
    }
}

async fn serve_udp(socket: UdpSocket) -> anyhow::Result<()> {
    let mut partners: HashMap<SocketAddr, SocketAddr> = HashMap::new();
    let mut alone = None;
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        if let Some(to) = partners.get(&from) {
            socket.try_send_to(buffer.get(..length).unwrap_or_default(), *to)?;
        } else if let Some(other) = alone.take() {
            partners.extend([(from, other), (other, from)]);
            socket.try_send_to(PAIRED, from)?;
        } else {
            alone = Some(from);
        }
    }
}

async fn serve_tcp(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (one, other) = (listener.accept().await?.0, listener.accept().await?.0);
        one.set_nodelay(true)?;
        other.set_nodelay(true)?;
        let ((read, write), (other_read, other_write)) = (one.into_split(), other.into_split());
        spawn_local(forward(read, other_write));
        spawn_local(forward(other_read, write));
    }
}

async fn forward(mut read: OwnedReadHalf, mut write: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let length = read.read(&mut buffer).await?;
        if length == 0 {
            return write.shutdown().await;
        }
        write.write_all(buffer.get(..length).unwrap_or_default()).await?;
    }
}

/// The same shape as chat: `pairs` of clients, `ops` messages of `size` bytes each way, `window` in flight.
pub async fn load(args: &Arguments) -> anyhow::Result<()> {
    let pairs = args.number("pairs", 10usize)?;
    let window: u32 = args.number("window", 4)?;
    let load = Load { operations: args.number("ops", 1000)?, window, size: args.number("size", 300)? };
    let mut ends = Vec::new();
    for number in 0..pairs * 2 {
        ends.push(End::open(args, number % 2 == 1).await?);
    }
    let meter = Meter::start(args)?;
    let tasks = ends.into_iter().map(|end| spawn_local(load.run(end))).collect();
    let mut latencies = all(tasks).await?.concat();
    meter.finish(args, latencies.len() as u64, &mut latencies).number("window", f64::from(window)).print();
    Ok(())
}

fn address(args: &Arguments) -> anyhow::Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], args.number("port", 15999)?)))
}

#[derive(Clone, Copy)]
struct Load {
    operations: u32,
    window: u32,
    size: usize,
}

impl Load {
    async fn run(self, mut end: End) -> anyhow::Result<Vec<u32>> {
        let mut latencies = Vec::new();
        let mut sent = self.window.min(self.operations);
        for _ in 0..sent {
            end.send(&self.message()).await?;
        }
        let mut waiting = Vec::new();
        while (latencies.len() as u32) < self.operations {
            ensure!(end.receive(&mut waiting).await? > 0, "the relay closed the connection");
            let whole = waiting.len() / self.size * self.size;
            let mut answers = Vec::new();
            for message in waiting.drain(..whole).as_slice().chunks(self.size) {
                let time = message.first_chunk().context("a message holds its time")?;
                latencies.push(since_us(u64::from_be_bytes(*time)));
                if sent < self.operations {
                    answers.extend(self.message());
                    sent += 1;
                }
            }
            if !answers.is_empty() {
                end.send(&answers).await?;
            }
        }
        Ok(latencies)
    }

    fn message(self) -> Vec<u8> {
        let mut message = now_ns().to_be_bytes().to_vec();
        message.resize(self.size.max(8), b'x');
        message
    }
}

enum End {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl End {
    async fn open(args: &Arguments, is_second: bool) -> anyhow::Result<Self> {
        let address = address(args)?;
        if args.text("mode", "tcp") == "tcp" {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            return Ok(Self::Tcp(stream));
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(address).await?;
        socket.send(b"hello").await?;
        if is_second {
            socket.recv(&mut [0; 8]).await?;
        }
        Ok(Self::Udp(socket))
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Udp(socket) => socket.send(bytes).await.map(|_| ()),
        }
    }

    async fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        into.reserve(8192);
        match self {
            Self::Tcp(stream) => stream.read_buf(into).await,
            Self::Udp(socket) => socket.recv_buf(into).await,
        }
    }
}

/// Tells the second client of a pair that the relay knows both.
const PAIRED: &[u8] = b"+";
