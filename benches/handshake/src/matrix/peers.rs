//! Echo servers over TCP whose table of peers has many entries.
//!
//! Other peers hold their entries by connections in memory, because a process has too few descriptors
//! for as many sockets.

use std::net::Ipv4Addr;
use std::sync::mpsc;

use transport_core::{Backend, Dialer, PeerAddr, Target, TaskKind};
use transport_limits::{echo, Guard, Limiter};
use transport_tcp::TcpConfig;
use transport_testkit::MemoryListener;

use crate::servers::{any, every_limit, observer, Server};

/// The first address of the other peers, 10.0.0.0.
const FIRST_PEER: u32 = 10 << 24;

/// Starts a server with entries of this many other peers.
///
/// It has a thread of its own.
pub(super) fn start(entries: u32) -> Server {
    let (ready, bound) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let limiter = Limiter::new(&every_limit(), observer()).unwrap();
            let (raw, dialer) = MemoryListener::bind(Backend::Tcp);
            let mut others = Guard::new(raw, &limiter);
            let target: Target = "memory:1".parse().unwrap();
            let mut held = Vec::new();
            for at in 0..entries {
                let peer = Ipv4Addr::from(FIRST_PEER + at);
                let dialer = dialer.clone().from_peer(PeerAddr::Ip((peer, 1).into()));
                let client = dialer.dial(&target).await.unwrap();
                let connection = others.accept().await.establish().await.unwrap();
                held.push((client, connection));
            }
            let config = TcpConfig::default();
            let raw = transport_tcp::raw::TcpListener::bind(any(), &config);
            let mut guard = Guard::new(raw.await.unwrap(), &limiter);
            let addr = guard.get_ref().local_addr().unwrap();
            ready.send(Server::here(addr)).unwrap();
            loop {
                let incoming = guard.accept().await;
                limiter.tasks().spawn(TaskKind::Serve, async move {
                    if let Ok(connection) = incoming.establish().await {
                        let _ = echo(connection.io).await;
                    }
                });
            }
        });
    });
    bound.recv().unwrap()
}
