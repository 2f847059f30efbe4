//! The limits of announced peers, and of hops.

use std::time::Duration;

use tokio::net::TcpStream;
use transport_core::Reason;
use transport_limits::{Decision, IpPrefixes, Overflow};
use transport_proxy::{encode, ProxyVersion};

use crate::rig::{header, line, trusting, Rig, LOOPBACK};

fn prefixes(items: &[&str]) -> IpPrefixes {
    IpPrefixes::parse(items).unwrap()
}

#[tokio::test]
async fn peer_cap_applies_to_announced_address() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_peer_max_conns(2).unwrap();
    })
    .await;
    let mut open = Vec::new();
    for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        let (established, hop) = rig.establish(&line(client)).await;
        open.push((established.unwrap(), hop));
    }
    assert_eq!(rig.refused(&line("192.0.2.1")).await, Reason::PeerLimit);
    // The v4-mapped form is the same peer.
    let mapped = b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n";
    assert_eq!(rig.refused(mapped).await, Reason::PeerLimit);
    assert_eq!(rig.limiter.admitted(), 3);
    drop(open);
    let (established, _hop) = rig.establish(mapped).await;
    established.unwrap();
    assert_eq!(rig.limiter.peers_with_at_least(1), 1);
}

#[tokio::test]
async fn rules_apply_to_announced_address() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        // The hop itself is denied: its own address does not matter.
        limits.set_denied_peers(prefixes(&[LOOPBACK, "203.0.113.0/24"]));
    })
    .await;
    let denied = encode(&header(ProxyVersion::V2, "203.0.113.7"));
    assert_eq!(rig.refused(&denied).await, Reason::Denied);
    let mapped = b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n";
    assert_eq!(rig.refused(mapped).await, Reason::Denied);
    let (established, _hop) = rig.establish(&line("192.0.2.1")).await;
    established.unwrap();
    // Without an announced address, the rules are about the hop.
    assert_eq!(rig.refused(b"PROXY UNKNOWN\r\n").await, Reason::Denied);
}

#[tokio::test]
async fn hook_decides_about_announced_address() {
    let mut rig = Rig::trusted().await;
    rig.limiter.set_admit(|peer| match peer.ip() {
        Some(ip) if ip.is_loopback() => Decision::Refuse,
        _ => Decision::Allow,
    });
    let (established, _hop) = rig.establish(&line("192.0.2.1")).await;
    established.unwrap();
    assert_eq!(rig.refused(&line("127.0.0.1")).await, Reason::Denied);
}

#[tokio::test]
async fn hop_is_exempt_from_peer_limits() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_peer_max_conns(1).unwrap();
        limits.set_accept_rates(0, 1).unwrap();
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let (established, hop) = rig.establish(b"PROXY UNKNOWN\r\n").await;
        let conn = established.unwrap();
        assert!(conn.io.control().is_accepted());
        open.push((conn, hop));
    }
    assert_eq!(rig.limiter.admitted(), 5);
    assert_eq!(rig.limiter.peers_with_at_least(1), 0);
    drop(open);
    rig.gone().await;
}

#[tokio::test]
async fn silent_connections_count_in_total() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_max_conns(2).unwrap();
        limits.set_peer_max_conns(1).unwrap();
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        let hop = rig.connect(b"").await;
        silent.push((rig.accept().await, hop));
    }
    assert_eq!((rig.limiter.admitted(), rig.limiter.pending()), (2, 2));
    refused_at_accept(&mut rig, Reason::ConnLimit).await;
    drop(silent);
    assert_eq!((rig.limiter.admitted(), rig.limiter.pending()), (0, 0));
}

#[tokio::test]
async fn silent_connections_fill_pending_cap() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_max_pending_handshakes(2).unwrap();
    })
    .await;
    let mut silent: Vec<(_, TcpStream)> = Vec::new();
    for _ in 0..2 {
        let hop = rig.connect(b"").await;
        silent.push((rig.accept().await, hop));
    }
    refused_at_accept(&mut rig, Reason::HandshakeLimit).await;
    assert_eq!(rig.limiter.admitted(), 2);
}

/// Connects once, and expects a refusal before the header.
async fn refused_at_accept(rig: &mut Rig, reason: Reason) {
    let _hop = rig.connect(b"").await;
    let recorder = rig.recorder.clone();
    tokio::select! {
        _ = rig.accept() => panic!("admitted"),
        () = recorder.wait_for("a refusal", |s| s.all_rejected() > 0) => {}
    }
    assert_eq!(recorder.rejected(reason), 1);
}

#[tokio::test]
async fn accept_rate_counts_identified_peers() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_accept_rates(0, 1).unwrap();
    })
    .await;
    let (established, _hop) = rig.establish(&line("192.0.2.1")).await;
    established.unwrap();
    assert_eq!(rig.refused(&line("192.0.2.1")).await, Reason::RateLimited);
    let (established, _hop) = rig.establish(&line("192.0.2.2")).await;
    established.unwrap();
}

#[tokio::test]
async fn refused_peer_evicts_no_connection() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        limits.set_max_conns(1).unwrap();
        limits.set_overflow(Overflow::Evict);
        limits.set_evict_after(Duration::from_secs(1)).unwrap();
        limits.set_peer_max_conns(1).unwrap();
    })
    .await;
    let (established, idle_hop) = rig.establish(&line("192.0.2.1")).await;
    let idle = established.unwrap();
    let control = idle.io.control();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Over its own limit: refused before it takes a place.
    assert_eq!(rig.refused(&line("192.0.2.1")).await, Reason::PeerLimit);
    assert!(!control.is_ended());
    // A health check takes none either.
    let hop = rig.connect(b"").await;
    let admitted = rig.accept().await;
    drop(hop);
    admitted.establish().await.unwrap_err();
    assert!(!control.is_ended());
    let (established, other_hop) = rig.establish(&line("192.0.2.2")).await;
    let other = established.unwrap();
    assert!(control.is_ended(), "evicted");
    drop(idle);
    rig.recorder
        .wait_for("the evicted one to be gone", |s| s.inflight() == 1)
        .await;
    assert_eq!(rig.limiter.admitted(), 1);
    drop((other, other_hop, idle_hop));
    rig.gone().await;
}
