//! Loads over many open connections.

use std::time::Instant;

use super::{connect, echoed, Protocol, Stream, SMALL};

/// Connections that echo at the same time.
const LANES: usize = 64;

/// Echoes messages on all connections in turn; returns the milliseconds that it took.
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
pub(super) async fn fill(
    held: &mut Vec<Stream>,
    addr: std::net::SocketAddr,
    most: usize,
    protocol: Protocol,
) -> usize {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    while held.len() < most {
        let (mut stream, _) = connect(addr, &protocol).await;
        let mut answer = [7; SMALL];
        let sent = stream.write_all(&answer).await.is_ok();
        if !sent || stream.read_exact(&mut answer).await.is_err() {
            break;
        }
        held.push(stream);
    }
    held.len()
}
