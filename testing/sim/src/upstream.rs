//! The far end of dialed connections.

use std::sync::Arc;

use ron_transport::Io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::handler::{serve, sizes};
use crate::net::SimIo;
use crate::script::Upstream;
use crate::world::{content, World};

/// Runs the upstream of one relay.
pub(crate) async fn run(world: Arc<World>, peer: usize, plan: Upstream, mut io: SimIo) {
    match plan {
        Upstream::Serves { think_ms, .. } => serve(&world, peer, io, think_ms).await,
        Upstream::Early { after } => early(&world, peer, &mut io, after).await,
        Upstream::Cuts { after } => {
            let _ = cut(&world, peer, &mut io, after).await;
            io.abort();
        }
        Upstream::Refuses(_) | Upstream::Silent => {}
    }
}

/// Answers after a part of the request, and accepts no further byte.
async fn early(world: &World, peer: usize, io: &mut SimIo, after: usize) {
    let mut head = [0; 8];
    if io.read_exact(&mut head).await.is_err() {
        return;
    }
    let (body, resp) = sizes(head);
    let mut part = vec![0; after.min(body)];
    if io.read_exact(&mut part).await.is_err() {
        return;
    }
    io.shut_read();
    world.books().peers[peer].begun.push(resp as u64);
    let answer = content(peer, 0, resp);
    if io.write_all(&answer).await.is_ok() {
        let _ = io.shutdown().await;
    }
}

/// Begins an answer and sends a part of it.
async fn cut(world: &World, peer: usize, io: &mut SimIo, after: usize) -> std::io::Result<()> {
    let mut head = [0; 8];
    io.read_exact(&mut head).await?;
    let (_, resp) = sizes(head);
    world.books().peers[peer].begun.push(resp as u64);
    let part = content(peer, 0, after.min(resp.saturating_sub(1)));
    io.write_all(&part).await
}
