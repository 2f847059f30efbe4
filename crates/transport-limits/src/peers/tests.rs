use super::*;
use crate::clock::SECOND;

const OFF: PeerCaps = PeerCaps {
    max_conns: 0,
    accepts: None,
    pending: u64::MAX,
};

fn key(n: u32) -> PeerKey {
    PeerKey::Uid(n)
}

#[test]
fn v6_prefixes_and_mapped_v4_aggregate() {
    let of = |text: &str, prefix| PeerKey::new(PeerAddr::Ip(text.parse().unwrap()), 32, prefix);
    assert_eq!(of("[2001:db8::1]:1", 64), of("[2001:db8::ffff:2]:9", 64));
    assert_ne!(of("[2001:db8:0:1::1]:1", 64), of("[2001:db8:0:2::1]:1", 64));
    assert_ne!(of("[2001:db8::1]:1", 128), of("[2001:db8::2]:1", 128));
    assert_eq!(of("[::ffff:10.0.0.1]:1", 64), of("10.0.0.1:2", 64));
}

#[test]
fn v4_prefixes_aggregate() {
    let of = |text: &str, prefix| PeerKey::new(PeerAddr::Ip(text.parse().unwrap()), prefix, 64);
    assert_eq!(of("10.1.2.3:1", 24), of("10.1.2.250:9", 24));
    assert_ne!(of("10.1.2.3:1", 24), of("10.1.3.3:1", 24));
    assert_ne!(of("10.1.2.3:1", 32), of("10.1.2.2:1", 32));
    assert_eq!(of("10.1.2.3:1", 8), of("[::ffff:10.9.9.9]:1", 8));
}

#[test]
fn pending_share_of_every_size() {
    assert_eq!(pending_share(256, 256), 64, "a quarter");
    assert_eq!(pending_share(256, 40), 40, "no more than are free");
    assert_eq!(pending_share(256, 3), 4, "at least 4");
    assert_eq!(pending_share(8, 8), 4);
    assert_eq!(pending_share(1, 0), 4, "the total cap decides");
    assert_eq!(pending_share(u64::MAX, u64::MAX), u64::MAX / 4);
}

#[test]
fn refused_handshake_spends_no_token() {
    let caps = PeerCaps {
        accepts: Rate::events(2),
        pending: 1,
        ..OFF
    };
    let mut peers = PeerTable::default();
    let first = peers.enter(key(1), 0, caps).unwrap();
    for _ in 0..3 {
        let refused = peers.enter(key(1), 0, caps).unwrap_err();
        assert_eq!(refused, Reason::HandshakeLimit);
    }
    assert_eq!(peers.max_conns(), 1);
    first.established();
    peers.enter(key(1), 0, caps).unwrap().established();
    let refused = peers.enter(key(1), 0, caps).unwrap_err();
    assert_eq!(refused, Reason::RateLimited, "the two tokens are spent");
}

#[test]
fn refused_peers_not_tracked() {
    let full = PeerCaps { pending: 0, ..OFF };
    let mut peers = PeerTable::default();
    for n in 0..100 {
        peers.enter(key(n), 0, full).unwrap_err();
    }
    assert_eq!(peers.tracked(), 0);
}

#[test]
fn maximum_follows_enter_and_leave() {
    let mut peers = PeerTable::default();
    for _ in 0..3 {
        peers.enter(key(1), 0, OFF).unwrap();
    }
    peers.enter(key(2), 0, OFF).unwrap();
    assert_eq!((peers.tracked(), peers.max_conns()), (2, 3));
    assert_eq!(
        [0, 1, 2, 3, 4].map(|n| peers.with_at_least(n)),
        [2, 2, 1, 1, 0]
    );
    peers.leave(key(1), 0);
    assert_eq!(peers.max_conns(), 2);
    peers.leave(key(1), 0);
    peers.leave(key(1), 0);
    assert_eq!((peers.tracked(), peers.max_conns()), (1, 1));
    peers.leave(key(2), 0);
    assert_eq!((peers.tracked(), peers.max_conns()), (0, 0));
}

#[test]
fn reconnect_does_not_refill_bucket() {
    let caps = PeerCaps {
        accepts: Rate::events(2),
        ..OFF
    };
    let mut peers = PeerTable::default();
    for _ in 0..2 {
        peers.enter(key(1), 0, caps).unwrap();
        peers.leave(key(1), 0);
    }
    assert_eq!(
        peers.enter(key(1), 0, caps).unwrap_err(),
        Reason::RateLimited
    );
    assert!(peers.enter(key(1), SECOND / 2, caps).is_ok());
    peers.leave(key(1), SECOND / 2);
    for n in 10..20 {
        peers.enter(key(n), 3 * SECOND, OFF).unwrap();
    }
    assert_eq!(peers.tracked(), 10, "the full entry is gone");
}

#[test]
fn entry_removed_after_refusal_and_close() {
    let caps = PeerCaps {
        max_conns: 1,
        ..OFF
    };
    let mut peers = PeerTable::default();
    peers.enter(key(1), 0, caps).unwrap();
    assert_eq!(peers.enter(key(1), 0, caps).unwrap_err(), Reason::PeerLimit);
    peers.leave(key(1), 0);
    assert_eq!(peers.tracked(), 0);
}

#[test]
fn flood_of_peers_bounded() {
    let caps = PeerCaps {
        accepts: Rate::events(1),
        ..OFF
    };
    let mut peers = PeerTable::default();
    for n in 0..100_000 {
        peers.enter(key(n), 0, caps).unwrap();
        peers.leave(key(n), 0);
    }
    assert!(peers.tracked() <= MAX_LINGERING + 2, "{}", peers.tracked());
}

/// Fills the table with peers whose buckets are not full.
fn with_lingering(count: u32) -> PeerTable {
    let caps = PeerCaps {
        accepts: Rate::events(1),
        ..OFF
    };
    let mut peers = PeerTable::default();
    for n in 0..count {
        peers.enter(key(n), 0, caps).unwrap();
        peers.leave(key(n), 0);
    }
    peers
}

#[test]
fn peer_without_debt_removed_at_once() {
    let mut peers = with_lingering(10);
    assert_eq!((peers.tracked(), peers.lingering.len()), (10, 10));
    for _ in 0..2 {
        peers.enter(key(99), 0, OFF).unwrap();
    }
    peers.leave(key(99), 0);
    assert_eq!((peers.tracked(), peers.lingering.len()), (11, 10));
    peers.leave(key(99), 0);
    assert_eq!((peers.tracked(), peers.lingering.len()), (10, 10));
}

#[test]
fn full_table_keeps_every_peer() {
    let most = u32::try_from(MAX_LINGERING).unwrap();
    assert_eq!(with_lingering(most).tracked(), MAX_LINGERING);
    let over = with_lingering(most + 100).tracked();
    assert!(over <= MAX_LINGERING + 2, "{over}");
}
