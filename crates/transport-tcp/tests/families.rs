//! Unspecified addresses: dials of them, and lists of both families.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use transport_core::{Dialer, ErrorKind, Listener, PeerAddr, Pending};
use transport_tcp::raw::{ListenSet, TcpDialer, TcpListener};
use transport_tcp::TcpConfig;

#[tokio::test]
async fn unspecified_target_is_this_host() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = TcpListener::bind(any, &TcpConfig::default()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let target = format!("0.0.0.0:{}", addr.port()).parse().unwrap();
    let dialer = TcpDialer::default();
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), listener.accept());
    let dialed = dialed.unwrap();
    assert_eq!(dialed.info.peer, Some(PeerAddr::Ip(addr)));
    assert!(dialed.info.steps.connect().is_some());
    let accepted = accepted.unwrap().establish().await.unwrap();
    let local = dialed.info.local.unwrap();
    assert_eq!(accepted.info.peer, Some(PeerAddr::Ip(local)));
    let text = format!("{dialer:?}");
    assert!(text.starts_with("TcpDialer { config: "), "{text}");
}

/// A socket for IPv6 alone would have to accept IPv4 too.
#[tokio::test]
async fn removal_of_ipv4_wildcard_needs_a_restart() {
    let config = TcpConfig::default();
    let free = std::net::TcpListener::bind("[::]:0").unwrap();
    let six = free.local_addr().unwrap();
    drop(free);
    let four = SocketAddr::from(([0, 0, 0, 0], six.port()));
    let (set, _listeners) = ListenSet::bind(&[six, four], &config, 1).unwrap();
    let error = set.stage(&[six], &config).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = "accepts IPv6 only, and would accept IPv4 without the IPv4 address: that needs a \
                restart";
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(set.local_addrs(), [six, four]);
}

#[test]
fn list_without_a_socket_is_refused() {
    let error = ListenSet::from_std(Vec::new(), &TcpConfig::default());
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("a listener needs an address"),
        "{error}"
    );
}
