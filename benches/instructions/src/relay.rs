//! A relay between two TCP connections, of small messages and of bulk.

use std::pin::pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use transport_core::Target;
use transport_limits::{relay, Guard};
use transport_tcp::raw::{TcpDialer, TcpListener as RawListener};
use transport_tcp::TcpConfig;

use crate::{measure, setup};

const MESSAGE: usize = 64;
const BLOCK: usize = 64 << 10;
const BLOCKS_PER_MIB: usize = (1 << 20) / BLOCK;

/// An operation is a message to the upstream and its echo.
pub(crate) async fn messages(operations: usize) {
    run(operations, MESSAGE, true).await;
}

/// An operation is 1 MiB to the upstream.
///
/// Its blocks arrive one by one.
pub(crate) async fn bulk(operations: usize) {
    run(operations * BLOCKS_PER_MIB, BLOCK, false).await;
}

async fn run(count: usize, bytes: usize, echoes: bool) {
    let limiter = setup::limiter();
    let config = TcpConfig::default();
    let raw = RawListener::bind(setup::any(), &config).await.unwrap();
    let mut listener = Guard::new(raw, &limiter);
    let dialer = Guard::new(TcpDialer::default(), &limiter);
    let upstream = TcpListener::bind(setup::any()).await.unwrap();
    let addr = listener.get_ref().local_addr().unwrap();
    let to: Target = upstream.local_addr().unwrap().to_string().parse().unwrap();

    let mut client = TcpStream::connect(addr).await.unwrap();
    client.set_nodelay(true).unwrap();
    let accepted = listener.accept().await.establish().await.unwrap();
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
