//! Heap per idle connection.
//!
//! It is the slope between two numbers of connections, so that one-time allocations do not count.

use std::alloc::System;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::sync::Arc;

use ron_transport::Transport;
use stats_alloc::{Stats, StatsAlloc};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use transport_core::{NoObserver, TaskKind};
use transport_limits::Limiter;
use transport_tcp::TcpConfig;

use crate::server::every_limit;

const FIRST: usize = 256;
const SECOND: usize = 1280;

type Idle = (
    &'static str,
    fn(mpsc::SyncSender<SocketAddr>, mpsc::SyncSender<()>),
);

pub(crate) fn report(allocator: &'static StatsAlloc<System>) {
    println!("heap for each idle connection (from {FIRST} to {SECOND} connections)");
    let kinds: [Idle; 3] = [
        ("bare tokio", bare),
        ("guarded", guarded),
        ("facade, serve", facade),
    ];
    let mut bare = 0;
    for (name, serve) in kinds {
        let bytes = measure(allocator, serve);
        if name == "bare tokio" {
            bare = bytes;
        }
        println!("  {name:<18} {bytes} bytes, {} over bare", bytes - bare);
    }
}

fn measure(
    allocator: &'static StatsAlloc<System>,
    serve: fn(mpsc::SyncSender<SocketAddr>, mpsc::SyncSender<()>),
) -> i64 {
    let (ready, bound) = mpsc::sync_channel(1);
    let (seen, arrived) = mpsc::sync_channel(SECOND);
    std::thread::spawn(move || serve(ready, seen));
    let addr = bound.recv().unwrap();
    let mut clients = Vec::with_capacity(SECOND);
    let mut grow = |to: usize| {
        while clients.len() < to {
            let mut client = TcpStream::connect(addr).unwrap();
            std::io::Write::write_all(&mut client, b"x").unwrap();
            arrived.recv().unwrap();
            clients.push(client);
        }
        // Gives the last task time to wait for its next byte.
        std::thread::sleep(std::time::Duration::from_millis(50));
        live(allocator.stats())
    };
    let first = grow(FIRST);
    let second = grow(SECOND);
    (second - first) / i64::try_from(SECOND - FIRST).unwrap()
}

fn live(stats: Stats) -> i64 {
    i64::try_from(stats.bytes_allocated).unwrap() - i64::try_from(stats.bytes_deallocated).unwrap()
}

/// Reports a connection's first byte, and waits for more.
async fn idle<I: AsyncRead + AsyncWrite + Unpin>(mut io: I, seen: mpsc::SyncSender<()>) {
    let mut byte = [0];
    while let Ok(1..) = io.read(&mut byte).await {
        let _ = seen.send(());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn bare(ready: mpsc::SyncSender<SocketAddr>, seen: mpsc::SyncSender<()>) {
    runtime().block_on(async {
        let listener = TcpListener::bind(any()).await.unwrap();
        ready.send(listener.local_addr().unwrap()).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(idle(stream, seen.clone()));
        }
    });
}

fn guarded(ready: mpsc::SyncSender<SocketAddr>, seen: mpsc::SyncSender<()>) {
    runtime().block_on(async {
        let limiter = Limiter::new(&every_limit(), Arc::new(NoObserver)).unwrap();
        let mut guard = transport_tcp::listen(any(), &TcpConfig::default(), &limiter)
            .await
            .unwrap();
        ready.send(guard.get_ref().local_addr().unwrap()).unwrap();
        loop {
            let connection = guard.accept().await.establish().await.unwrap();
            limiter
                .tasks()
                .spawn(TaskKind::Serve, idle(connection.io, seen.clone()));
        }
    });
}

fn facade(ready: mpsc::SyncSender<SocketAddr>, seen: mpsc::SyncSender<()>) {
    runtime().block_on(async {
        let builder = Transport::builder().bind_addr(any()).limits(every_limit());
        let transport = builder.observer(Arc::new(NoObserver)).build().unwrap();
        let addr = transport.listen().await.unwrap().socket_addr();
        ready.send(addr.unwrap()).unwrap();
        transport
            .serve(move |conn| idle(conn, seen.clone()))
            .await
            .unwrap();
    });
}
