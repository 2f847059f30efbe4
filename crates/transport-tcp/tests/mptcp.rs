//! Multipath TCP: both ends, and peers without it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Dialer, Listener, Pending};
use transport_tcp::raw::{TcpDialer, TcpIo, TcpListener};
use transport_tcp::TcpConfig;

fn mptcp(on: bool) -> TcpConfig {
    let mut config = TcpConfig::default();
    config.set_mptcp(on);
    config
}

async fn bind(config: &TcpConfig) -> (TcpListener, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(any, config).await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn kernel_has_mptcp() -> bool {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).is_ok()
}

fn protocol(io: &TcpIo) -> Option<Protocol> {
    SockRef::from(io.get_ref()).protocol().unwrap()
}

/// Dials a listener; returns the protocol of both ends.
async fn connected(dial: &TcpConfig, listen: &TcpConfig) -> [Option<Protocol>; 2] {
    let (mut listener, addr) = bind(listen).await;
    let dialer = TcpDialer::new(dial);
    let target = addr.to_string().parse().unwrap();
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), listener.accept());
    let accepted = accepted.unwrap().establish().await;
    let (mut ours, mut theirs) = (dialed.unwrap().io, accepted.unwrap().io);
    let mut read = [0; 5];
    for _ in 0..2 {
        ours.write_all(b"hello").await.unwrap();
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        std::mem::swap(&mut ours, &mut theirs);
    }
    [protocol(&ours), protocol(&theirs)]
}

#[tokio::test]
async fn both_ends_use_mptcp_where_the_kernel_has_it() {
    let both = connected(&mptcp(true), &mptcp(true)).await;
    let expected = match kernel_has_mptcp() {
        true => Some(Protocol::MPTCP),
        false => Some(Protocol::TCP),
    };
    assert_eq!(both, [expected; 2]);
    assert_eq!(mptcp(true).warnings().is_empty(), kernel_has_mptcp());
}

#[tokio::test]
async fn peer_without_mptcp_is_served_over_tcp() {
    // The dialed end keeps its kind of socket; the accepted one is a TCP socket.
    let [dialed, accepted] = connected(&mptcp(true), &mptcp(false)).await;
    assert_eq!(accepted, Some(Protocol::TCP));
    assert_eq!(dialed == Some(Protocol::MPTCP), kernel_has_mptcp());
    let both = connected(&mptcp(false), &mptcp(true)).await;
    assert_eq!(both, [Some(Protocol::TCP); 2]);
}

/// Every option of a configuration can be set, or is left out.
#[tokio::test]
async fn all_options_apply_to_mptcp() {
    let mut config = mptcp(true);
    config
        .set_user_timeout(Some(std::time::Duration::from_secs(7)))
        .unwrap()
        .set_dscp(46)
        .unwrap()
        .set_bind_device("lo")
        .unwrap();
    connected(&config, &config).await;
}
