//! A relay to a TCP connection, of small messages and of bulk.

use std::pin::pin;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use transport_core::{Listener, Target};
use transport_limits::{relay, Guard, Limiter};
use transport_tcp::raw::{TcpDialer, TcpListener as RawListener};
use transport_tcp::TcpConfig;
use transport_testkit::pki::Leaf;
use transport_tls::raw::TlsListener;
use transport_tls::PqMode;

use crate::{handshake, measure, setup};

const MESSAGE: usize = 64;
const BLOCK: usize = 64 << 10;
const BLOCKS_PER_MIB: usize = (1 << 20) / BLOCK;

/// An operation is a message to the upstream and its echo.
pub(crate) async fn messages(operations: usize) {
    run(operations, MESSAGE, true).await;
}

/// As [`messages`], from a client over TLS.
pub(crate) async fn tls_messages(operations: usize) {
    let leaf = Leaf::self_signed(&["localhost"]);
    let server = handshake::server(&leaf, PqMode::Off);
    let limiter = setup::limiter();
    let raw = RawListener::bind(setup::any(), &TcpConfig::default()).await;
    let raw = raw.unwrap();
    let client = connect(&raw).await;
    let listener = TlsListener::over(raw, &server, limiter.shared_observer());
    let client = handshake::connect(&leaf, client);
    relay_from(client, listener, &limiter, (operations, MESSAGE, true)).await;
}

/// An operation is 1 MiB to the upstream.
///
/// Its blocks arrive one by one.
pub(crate) async fn bulk(operations: usize) {
    run(operations * BLOCKS_PER_MIB, BLOCK, false).await;
}

async fn run(count: usize, bytes: usize, echoes: bool) {
    let limiter = setup::limiter();
    let raw = RawListener::bind(setup::any(), &TcpConfig::default()).await;
    let raw = raw.unwrap();
    let client = connect(&raw).await;
    relay_from(async { client }, raw, &limiter, (count, bytes, echoes)).await;
}

async fn connect(listener: &RawListener) -> TcpStream {
    let addr = listener.local_addr().unwrap();
    let client = TcpStream::connect(addr).await.unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// Relays between a client that connects to the listener and an upstream.
async fn relay_from<C: AsyncRead + AsyncWrite + Unpin>(
    client: impl std::future::Future<Output = C>,
    listener: impl Listener,
    limiter: &Limiter,
    (count, bytes, echoes): (usize, usize, bool),
) {
    let mut listener = Guard::new(listener, limiter);
    let dialer = Guard::new(TcpDialer::default(), limiter);
    let upstream = TcpListener::bind(setup::any()).await.unwrap();
    let to: Target = upstream.local_addr().unwrap().to_string().parse().unwrap();

    let accepting = async { listener.accept().await.establish().await.unwrap() };
    let (mut client, accepted) = tokio::join!(client, accepting);
    let dialed = dialer.dial(&to).await.unwrap();
    let (mut server, _) = upstream.accept().await.unwrap();
    let mut relaying = pin!(async {
        relay(accepted.io, dialed.io).await.unwrap();
    });
    for counted in [false, true] {
        let exchange = async {
            let mut buffer = vec![7; bytes];
            for _ in 0..count {
                client.write_all(&buffer).await.unwrap();
                client.flush().await.unwrap();
                server.read_exact(&mut buffer).await.unwrap();
                if echoes {
                    server.write_all(&buffer).await.unwrap();
                    client.read_exact(&mut buffer).await.unwrap();
                }
            }
        };
        measure::until_end(counted, relaying.as_mut(), exchange).await;
    }
}
