//! The client: one request in flight on each connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::TlsConnector;

use crate::tls::Tls;

pub(crate) const CONNECTIONS: usize = 100;
/// Measured requests of each connection.
pub(crate) const REQUESTS: usize = 100;
/// Requests of each connection before the measured ones.
const WARM_UP: usize = 10;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const STATUS: &[u8] = b"HTTP/1.1 200 OK\r\n";
const END: &[u8] = b"\r\n\r\nhello";

/// The measured requests of one round.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) errors: usize,
}

/// The client of all servers.
pub(crate) struct Load {
    runtime: Runtime,
    config: Arc<ClientConfig>,
}

impl Load {
    pub(crate) fn new(tls: &Tls) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            runtime: runtime.enable_all().build().unwrap(),
            config: Arc::clone(&tls.client),
        }
    }

    /// Opens the connections, and sends requests on all of them.
    pub(crate) fn run(&self, addr: SocketAddr) -> Outcome {
        self.runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut stream = connect(addr, Arc::clone(&self.config)).await;
                requests(&mut stream, WARM_UP).await;
                streams.push(stream);
            }
            let mut running = JoinSet::new();
            for mut stream in streams {
                running.spawn(async move { (requests(&mut stream, REQUESTS).await, stream) });
            }
            let mut outcome = Outcome::default();
            let mut open = Vec::new();
            while let Some(ended) = running.join_next().await {
                let (of_one, stream) = ended.unwrap();
                outcome.latencies.extend(of_one.latencies);
                outcome.errors += of_one.errors;
                // No connection closes while others are measured.
                open.push(stream);
            }
            for mut stream in open {
                let _ = stream.shutdown().await;
            }
            outcome
        })
    }
}

async fn connect(addr: SocketAddr, config: Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(config);
    connector.connect(name, stream).await.unwrap()
}

/// Sends requests one at a time.
async fn requests(stream: &mut TlsStream<TcpStream>, times: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for done in 0..times {
        let started = Instant::now();
        if exchange(stream).await.is_none() {
            outcome.errors += times - done;
            return outcome;
        }
        outcome.latencies.push(started.elapsed());
    }
    outcome
}

/// Sends a request; `None` unless the response is right.
async fn exchange(stream: &mut TlsStream<TcpStream>) -> Option<()> {
    stream.write_all(REQUEST).await.ok()?;
    stream.flush().await.ok()?;
    let mut response = [0; 1024];
    let mut filled = 0;
    while !response[..filled].ends_with(END) {
        let read = stream.read(&mut response[filled..]).await.ok()?;
        if read == 0 {
            return None;
        }
        filled += read;
    }
    response.starts_with(STATUS).then_some(())
}
