//! The client process, which runs one load per input line.

mod spread;

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{split, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::{ClientConfig, HandshakeKind};
use tokio_rustls::TlsConnector;

use crate::pki;

/// A stream of either kind.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Stream = Box<dyn Duplex>;

/// The protocol of a connection.
#[derive(Clone)]
enum Protocol {
    Tcp,
    Tls(Arc<ClientConfig>),
}

/// Concurrent connections.
const AT_ONCE: usize = 8;
const SMALL: usize = 64;
/// The length before the body of a frame.
const LENGTH_BYTES: usize = 4;
const BLOCK: usize = 64 << 10;

pub(crate) fn run() {
    // One thread, because it has one core. It never sleeps: the sender pays for waking a client, so
    // a slower server would be charged more.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let mut held: Vec<Stream> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        let addr = |at: usize| words[at].parse::<SocketAddr>().unwrap();
        let answer = runtime.block_on(async {
            match words[0] {
                "tcp" => connections(addr(1), number(2), || Protocol::Tcp).await,
                "full" => connections(addr(1), number(2), || tls(false)).await,
                "resumed" => connections(addr(1), number(2), || tls(true)).await,
                "hold" => hold(&mut held, addr(1), number(2), tls(false)).await,
                "hold-tcp" => hold(&mut held, addr(1), number(2), Protocol::Tcp).await,
                "fill" => spread::fill(&mut held, addr(1), number(2)).await,
                "spread" => spread::spread(&mut held, number(1), number(2)).await,
                "ping" => ping(&mut held[0], number(1)).await,
                "exchange" => exchange(&mut held, number(1)).await,
                "bulk" => bulk(held.pop().unwrap(), number(1)).await,
                other => panic!("unknown load: {other}"),
            }
        });
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}

fn tls(resumption: bool) -> Protocol {
    let mut config = pki::client();
    if !resumption {
        config.resumption = Resumption::disabled();
    }
    Protocol::Tls(Arc::new(config))
}

/// Connects; returns whether the session was resumed.
async fn connect(addr: SocketAddr, protocol: &Protocol) -> (Stream, bool) {
    let tcp = TcpStream::connect(addr).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let Protocol::Tls(config) = protocol else {
        return (Box::new(tcp), false);
    };
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(name, tcp).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind();
    (Box::new(stream), kind == Some(HandshakeKind::Resumed))
}

/// Opens connections with one small exchange each, closed in order.
///
/// Returns how many were resumed. A lane that resumes starts with a full handshake, which is part
/// of `count`.
async fn connections(addr: SocketAddr, count: usize, protocol: impl Fn() -> Protocol) -> usize {
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let protocol = protocol();
            tokio::spawn(async move {
                let mut resumed = 0;
                for _ in 0..count / AT_ONCE {
                    let (mut stream, was_resumed) = connect(addr, &protocol).await;
                    resumed += usize::from(was_resumed);
                    echoed(&mut stream, SMALL).await;
                    stream.shutdown().await.unwrap();
                    // Some servers send no `close_notify` before the end.
                    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
                }
                resumed
            })
        })
        .collect();
    let mut resumed = 0;
    for lane in lanes {
        resumed += lane.await.unwrap();
    }
    resumed
}

/// Waits for the echo of one message.
///
/// The message is a frame too.
async fn echoed(stream: &mut Stream, bytes: usize) {
    let mut buffer = vec![7; bytes];
    let length = u32::try_from(bytes - LENGTH_BYTES).unwrap();
    buffer[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    stream.write_all(&buffer).await.unwrap();
    stream.flush().await.unwrap();
    stream.read_exact(&mut buffer).await.unwrap();
}

/// Opens and keeps this many connections, each after a small exchange.
async fn hold(held: &mut Vec<Stream>, addr: SocketAddr, count: usize, protocol: Protocol) -> usize {
    while held.len() < count {
        let (mut stream, _) = connect(addr, &protocol).await;
        echoed(&mut stream, SMALL).await;
        held.push(stream);
    }
    held.len()
}

/// Sends small messages, each after the echo of the last one.
async fn ping(stream: &mut Stream, count: usize) -> usize {
    for _ in 0..count {
        echoed(stream, SMALL).await;
    }
    count
}

async fn exchange(held: &mut [Stream], bytes: usize) -> usize {
    for stream in &mut *held {
        echoed(stream, bytes).await;
    }
    held.len()
}

/// Writes a stream of bytes, and reads the echo meanwhile.
async fn bulk(stream: Stream, bytes: usize) -> usize {
    let (mut reader, mut writer) = split(stream);
    let sending = tokio::spawn(async move {
        let block = vec![7; BLOCK];
        for _ in 0..bytes / BLOCK {
            writer.write_all(&block).await.unwrap();
        }
        writer.flush().await.unwrap();
        writer
    });
    let (mut block, mut got) = (vec![0; BLOCK], 0);
    while got < bytes {
        got += reader.read(&mut block).await.unwrap();
    }
    // Only now: some servers stop sending to a client that has half-closed.
    sending.await.unwrap().shutdown().await.unwrap();
    got
}
