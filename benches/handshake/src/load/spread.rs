//! Loads over many open connections.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{echoed, Stream, SMALL};

/// Connections that echo at the same time.
const LANES: usize = 64;
/// Connections from one source address.
const OF_ADDRESS: usize = 8_000;

/// Echoes messages on all connections in turn; returns the elapsed milliseconds.
pub(super) async fn spread(held: &mut Vec<Stream>, count: usize, bytes: usize) -> usize {
    let lanes = LANES.min(held.len());
    let mut parts: Vec<Vec<Stream>> = (0..lanes).map(|_| Vec::new()).collect();
    for (at, stream) in held.drain(..).enumerate() {
        parts[at % lanes].push(stream);
    }
    let started = Instant::now();
    let tasks: Vec<_> = parts
        .into_iter()
        .map(|mut part| {
            tokio::spawn(async move {
                for at in 0..count / lanes {
                    let turn = at % part.len();
                    echoed(&mut part[turn], bytes).await;
                }
                part
            })
        })
        .collect();
    for task in tasks {
        held.extend(task.await.unwrap());
    }
    usize::try_from(started.elapsed().as_millis()).unwrap()
}

/// Opens connections until one is refused; returns how many are open.
pub(super) async fn fill(held: &mut Vec<Stream>, addr: SocketAddr, most: usize) -> usize {
    while held.len() < most {
        let socket = TcpSocket::new_v4().unwrap();
        // The kernel searches longer for a port once half of an address are in use.
        let host = 2 + u8::try_from(held.len() / OF_ADDRESS).unwrap();
        socket
            .bind(SocketAddr::from(([127, 0, 0, host], 0)))
            .unwrap();
        let mut stream = socket.connect(addr).await.unwrap();
        let mut answer = [7; SMALL];
        let sent = stream.write_all(&answer).await.is_ok();
        if !sent || stream.read_exact(&mut answer).await.is_err() {
            break;
        }
        held.push(Box::new(stream));
    }
    held.len()
}
