//! The handlers of accepted connections, and of the answering side in general.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ron_transport::{echo, relay, Conn, TransportDialer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use crate::net::peer_of;
use crate::script::Mode;
use crate::world::{content, World};

/// Largest part of an answer that is written at once.
const PIECE: usize = 16 << 10;

/// Serves one connection as the script says.
pub(crate) async fn handle(world: Arc<World>, dialer: TransportDialer, conn: Conn) {
    let peer = peer_of(conn.info().peer);
    let mode = world.script.peers[peer].mode;
    world.books().peers[peer].control = Some(conn.control().clone());
    match mode {
        Mode::Echo => {
            let _ = echo(conn).await;
        }
        Mode::Serve { think_ms } => serve(&world, peer, conn, think_ms).await,
        Mode::Busy { think_ms } => {
            let control = conn.control().clone();
            let busy = control.busy();
            serve(&world, peer, conn, think_ms).await;
            drop(busy);
        }
        Mode::Framed { think_ms } => frames(&world, peer, conn, think_ms).await,
        Mode::Relay(_) => {
            let control = conn.control().clone();
            match dialer.dial(format!("up://{peer}")).await {
                Ok(upstream) => drop(relay(conn, upstream).await),
                Err(_) => {
                    control.cancel();
                }
            }
        }
        Mode::Panic { after } => panics(&world, peer, conn, after).await,
        Mode::Hold => {
            std::future::pending::<()>().await;
            drop(conn);
        }
        Mode::Detached { think_ms } => {
            let also = Arc::clone(&world);
            world.spawn(async move { serve(&also, peer, conn, think_ms).await });
        }
    }
}

/// Answers requests until the end of stream.
pub(crate) async fn serve<S>(world: &World, peer: usize, mut io: S, think_ms: u64)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut at = 0;
    loop {
        let mut head = [0; 8];
        match io.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(_) => return,
        }
        let (body, resp) = sizes(head);
        let mut left = body;
        let mut buf = vec![0; PIECE];
        while left != 0 {
            let most = left.min(PIECE);
            match io.read(&mut buf[..most]).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left -= read,
            }
        }
        world.books().peers[peer].asked += 1;
        think(think_ms).await;
        if answer(world, peer, &mut io, &mut at, resp).await.is_err() {
            return;
        }
        world.books().peers[peer].answered += 1;
    }
    let _ = io.shutdown().await;
}

/// Writes an answer. It is begun once the stream accepts its first byte.
async fn answer<S: AsyncWrite + Unpin>(
    world: &World,
    peer: usize,
    io: &mut S,
    at: &mut u64,
    resp: usize,
) -> std::io::Result<()> {
    let end = *at + resp as u64;
    let mut begun = false;
    while *at < end {
        let left = usize::try_from(end - *at).unwrap_or(PIECE);
        let part = content(peer, *at, left.min(PIECE));
        let wrote = io.write(&part).await?;
        if wrote == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        if !begun {
            begun = true;
            world.books().peers[peer].begun.push(end);
        }
        *at += wrote as u64;
    }
    io.flush().await
}

async fn frames(world: &World, peer: usize, conn: Conn, think_ms: u64) {
    let most = usize::try_from(world.script.limits.max_frame).unwrap_or(PIECE);
    let (mut reader, sender) = conn.into_framed();
    let (mut at, mut sent) = (0, 0);
    while let Ok(Some(frame)) = reader.read_frame().await {
        let mut head = [0; 4];
        let len = frame.len().min(4);
        head[..len].copy_from_slice(&frame[..len]);
        let resp = (u32::from_be_bytes(head) as usize).min(most);
        world.books().peers[peer].asked += 1;
        think(think_ms).await;
        let answer = Bytes::from(content(peer, at, resp));
        drop(frame);
        if sender.send(answer).await.is_err() {
            return;
        }
        at += resp as u64;
        sent += 4 + resp as u64;
        let mut books = world.books();
        books.peers[peer].begun.push(sent);
        books.peers[peer].answered += 1;
    }
}

async fn panics(world: &World, peer: usize, mut conn: Conn, after: usize) {
    let mut buf = vec![0; after];
    if conn.read_exact(&mut buf).await.is_ok() {
        world.books().peers[peer].panicked = true;
        panic!("the script lets the handler panic");
    }
}

pub(crate) async fn think(ms: u64) {
    if ms != 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

/// Longest answer in bytes.
///
/// The bytes of a peer that sends no requests may ask for 4 GiB.
const LONGEST: usize = 1 << 20;

/// Returns the sizes of a request's body and of its answer.
pub(crate) fn sizes(head: [u8; 8]) -> (usize, usize) {
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    (word(0) as usize, (word(4) as usize).min(LONGEST))
}
