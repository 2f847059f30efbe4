//! Admission: address rules, the hook, and eviction at the total cap.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{advance, sleep, timeout};
use transport_core::{Backend, CloseReason, Dialer, PeerAddr, Reason};
use transport_limits::{relay, Decision, Guard, IpPrefixes, Limits, Overflow};
use transport_testkit::MemoryListener;

use crate::harness::{anywhere, ping, Ours, Peer, Rig};

const EVICT_AFTER: Duration = Duration::from_secs(10);
/// Most evicted connections that may still be closing.
const SURPLUS: u64 = 256;

fn evicting(max_conns: u64) -> impl FnOnce(&mut Limits) {
    move |limits| {
        limits.set_max_conns(max_conns).unwrap();
        limits.set_overflow(Overflow::Evict);
        limits.set_evict_after(EVICT_AFTER).unwrap();
    }
}

fn prefixes(items: &[&str]) -> IpPrefixes {
    IpPrefixes::parse(items).unwrap()
}

fn ip(addr: &str) -> PeerAddr {
    PeerAddr::Ip(addr.parse::<SocketAddr>().unwrap())
}

/// Dials until a peer is refused; returns this reason's rejects.
async fn refused(rig: &mut Rig, reason: Reason) -> u64 {
    let before = rig.recorder.rejected(reason);
    let recorder = rig.recorder.clone();
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("admitted"),
        () = recorder.wait_for("a refusal", |s| s.all_rejected() > 0 && s.rejected(reason) > before) => {}
    }
    rig.recorder.rejected(reason)
}

#[tokio::test(start_paused = true)]
async fn deny_wins_over_allow() {
    let mut rig = Rig::new(|limits| {
        limits.set_allowed_peers(prefixes(&["10.0.0.0/8", "2001:db8::/32"]));
        limits.set_denied_peers(prefixes(&["10.9.0.0/16", "2001:db8:9::/48"]));
    });
    for (peer, allowed) in [
        ("10.0.0.1:1", true),
        ("[::ffff:10.0.0.1]:1", true),
        ("[2001:db8::1]:1", true),
        ("10.9.0.1:1", false),
        ("[::ffff:10.9.0.1]:1", false),
        ("[2001:db8:9::1]:1", false),
        ("192.0.2.1:1", false),
        ("[2001:db9::1]:1", false),
    ] {
        rig.dialer = rig.dialer.clone().from_peer(ip(peer));
        if allowed {
            drop(rig.connect().await);
        } else {
            refused(&mut rig, Reason::Denied).await;
        }
    }
    for peer in [PeerAddr::Uid(7), PeerAddr::Circuit(7)] {
        rig.dialer = rig.dialer.clone().from_peer(peer);
        drop(rig.connect().await);
    }
    rig.apply(|limits| {
        limits.set_allowed_peers(IpPrefixes::default());
    });
    rig.dialer = rig.dialer.clone().from_peer(ip("192.0.2.1:1"));
    drop(rig.connect().await);
    assert_eq!(rig.recorder.rejected(Reason::Denied), 5);
}

#[tokio::test(start_paused = true)]
async fn rules_checked_before_other_limits() {
    let mut rig = Rig::new(|limits| {
        limits.set_max_conns(1).unwrap();
        limits.set_denied_peers(prefixes(&["10.0.0.0/8"]));
    });
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = Arc::clone(&asked);
    rig.limiter.set_admit(move |peer| {
        asks.lock().unwrap().push(peer);
        if peer == ip("192.0.2.9:1") {
            Decision::Refuse
        } else {
            Decision::Allow
        }
    });
    let _only = rig.connect().await;
    asked.lock().unwrap().clear();
    for peer in ["10.0.0.1:1", "192.0.2.9:1"] {
        rig.dialer = rig.dialer.clone().from_peer(ip(peer));
        refused(&mut rig, Reason::Denied).await;
    }
    rig.limiter.set_overloaded(true);
    refused(&mut rig, Reason::Denied).await;
    rig.dialer = rig.dialer.clone().from_peer(ip("192.0.2.1:1"));
    refused(&mut rig, Reason::Overload).await;
    rig.limiter.set_overloaded(false);
    refused(&mut rig, Reason::ConnLimit).await;
    let asked = asked.lock().unwrap();
    assert!(
        !asked.contains(&ip("10.0.0.1:1")),
        "the hook is not called for a denied address"
    );
    assert_eq!(asked.len(), 4);
}

/// Runs a handler that keeps its connection until the end.
fn hold(conn: Ours) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut io = conn.io;
        let _ = io.read(&mut [0; 16]).await;
    })
}

#[tokio::test(start_paused = true)]
async fn new_connections_at_cap_all_served() {
    const CAP: usize = 1000;
    const BUSY: usize = 100;
    let mut rig = Rig::new(evicting(CAP as u64));
    let mut busy = Vec::new();
    let mut idle = Vec::new();
    for at in 0..CAP {
        let (ours, mut peer) = rig.connect().await;
        if at % (CAP / BUSY) == 0 {
            // An answer is owed.
            peer.io.write_all(b"question").await.unwrap();
            let mut ours = ours;
            ours.io.read_exact(&mut [0; 8]).await.unwrap();
            busy.push((ours, peer));
        } else {
            hold(ours);
            idle.push(peer);
        }
    }
    sleep(EVICT_AFTER * 2).await;
    let mut arrivals: Vec<(Ours, Peer)> = Vec::new();
    for at in 0..CAP {
        // One for each idle connection at once, the others as earlier ones leave.
        if at >= CAP - BUSY {
            let (ours, peer) = arrivals.pop().unwrap();
            // Its peer has closed, so it closes without lingering.
            drop(peer);
            drop(ours);
        }
        let served = timeout(Duration::from_secs(1), rig.connect()).await;
        arrivals.push(served.unwrap_or_else(|_| panic!("connection {at} is not served")));
        let admitted = rig.limiter.admitted();
        assert!(admitted <= CAP as u64 + SURPLUS, "{admitted} admitted");
    }
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
    for (ours, peer) in &mut arrivals {
        ping(&mut ours.io, &mut peer.io).await;
    }
    for (ours, peer) in &mut busy {
        ours.io.write_all(b"answer").await.unwrap();
        peer.io.read_exact(&mut [0; 6]).await.unwrap();
    }
    for peer in &mut idle {
        assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0, "in order");
    }
    let evicted = rig.recorder.closes(CloseReason::Evicted);
    assert_eq!(evicted, (CAP - BUSY) as u64);
    // After the lingering closes.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.limiter.admitted(), (arrivals.len() + busy.len()) as u64);
    drop((arrivals, busy, idle));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.limiter.admitted(), 0);
    assert_eq!(rig.recorder.inflight(), 0);
}

/// Handlers that never poll their connections keep no place.
#[tokio::test(start_paused = true)]
async fn evicted_stream_of_stuck_handler_closed() {
    let mut rig = Rig::new(evicting(2));
    let held = [rig.connect().await, rig.connect().await];
    sleep(EVICT_AFTER).await;
    let more = [rig.connect().await, rig.connect().await];
    // One of the two evicted connections lingers: half of the surplus places.
    assert_eq!(rig.limiter.admitted(), 3);
    assert_eq!(refused(&mut rig, Reason::ConnLimit).await, 1);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.limiter.admitted(), 2);
    assert_eq!(rig.recorder.closes(CloseReason::Evicted), 2);
    drop((held, more));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.limiter.admitted(), 0);
}

#[tokio::test(start_paused = true)]
async fn least_recently_active_evicted() {
    let mut rig = Rig::new(evicting(3));
    let mut conns = Vec::new();
    for _ in 0..3 {
        conns.push(rig.connect().await);
    }
    // The second was active first, then the third, then the first.
    for at in [1, 2, 0] {
        advance(Duration::from_secs(1)).await;
        let (ours, peer) = &mut conns[at];
        ping(&mut ours.io, &mut peer.io).await;
    }
    advance(EVICT_AFTER).await;
    for at in [1, 2, 0] {
        let arrival = rig.connect().await;
        let ended: Vec<_> = conns.iter().map(|c| c.0.io.control().is_ended()).collect();
        assert!(ended[at], "{ended:?}");
        // Keeps its place until the end of the test.
        std::mem::forget(arrival);
    }
}

#[tokio::test(start_paused = true)]
async fn recently_active_not_evicted() {
    let mut rig = Rig::new(evicting(1));
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    advance(EVICT_AFTER - Duration::from_millis(1)).await;
    refused(&mut rig, Reason::ConnLimit).await;
    advance(Duration::from_millis(1)).await;
    drop(rig.connect().await);
    assert!(ours.io.control().is_ended());
}

#[tokio::test(start_paused = true)]
async fn relay_evicted_with_both_legs() {
    let mut rig = Rig::new(evicting(1));
    let (mut upstream, dialer) = MemoryListener::bind(Backend::Tcp);
    let dialer = Guard::new(dialer, &rig.limiter);
    let (client, mut client_peer) = rig.connect().await;
    let target = anywhere();
    let (dialed, accepted) = tokio::join!(
        dialer.dial(&target),
        transport_core::Listener::accept(&mut upstream)
    );
    let accepted = transport_core::Pending::establish(accepted.unwrap());
    let mut server = accepted.await.unwrap();
    let relaying = tokio::spawn(relay(client.io, dialed.unwrap().io));
    // The dialed leg was active more recently: both clocks count.
    client_peer.io.write_all(b"ask").await.unwrap();
    server.io.read_exact(&mut [0; 3]).await.unwrap();
    sleep(EVICT_AFTER).await;
    assert_eq!(refused(&mut rig, Reason::ConnLimit).await, 1);
    server.io.write_all(b"answer").await.unwrap();
    client_peer.io.read_exact(&mut [0; 6]).await.unwrap();
    sleep(EVICT_AFTER).await;
    let _arrival = rig.connect().await;
    relaying.await.unwrap().unwrap_err();
    for io in [&mut client_peer.io, &mut server.io] {
        assert_eq!(io.read(&mut [0]).await.unwrap(), 0, "in order");
    }
    assert_eq!(rig.recorder.closes(CloseReason::Evicted), 2);
}

#[tokio::test(start_paused = true)]
async fn lowered_cap_reached_by_evictions() {
    let mut rig = Rig::new(evicting(8));
    let mut peers = Vec::new();
    for _ in 0..8 {
        let (ours, peer) = rig.connect().await;
        hold(ours);
        peers.push(peer);
    }
    rig.apply(|limits| {
        limits.set_max_conns(2).unwrap();
    });
    sleep(EVICT_AFTER).await;
    let mut tries = 0;
    while rig.limiter.admitted() > 2 {
        rig.dialer.dial(&anywhere()).await.unwrap();
        let accepted = timeout(Duration::from_secs(3), rig.guard.accept()).await;
        drop(accepted);
        tries += 1;
        assert!(tries < 8, "{} admitted", rig.limiter.admitted());
    }
    drop(rig.connect().await);
}
