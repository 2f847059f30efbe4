//! Admission: address rules, the admission hook, overload, and eviction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use transport_core::{CloseReason, PeerAddr, Reason};
use transport_limits::{Decision, IpPrefixes, Limits, Overflow};

use super::rig::{ping, Rig};
use crate::Harness;

/// The idle time before eviction: the minimum of the setting.
const EVICT_AFTER: Duration = Duration::from_secs(1);
/// Clearly longer than that.
const IDLE: Duration = Duration::from_millis(1200);

/// Both address families, so every peer with an address matches.
fn every_address() -> IpPrefixes {
    IpPrefixes::parse(&["0.0.0.0/0", "::/0"]).unwrap()
}

/// A denied address is refused before any work.
///
/// Peers without an address are unaffected. A reload replaces the rules.
pub async fn denied_address_is_refused<H: Harness>(harness: &H) {
    let mut limits = Limits::default();
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut first, mut first_peer) = rig.connect().await;
    let has_address = matches!(first.info.peer, Some(PeerAddr::Ip(_)));
    limits.set_denied_peers(every_address());
    limits.set_allowed_peers(every_address());
    rig.limiter.apply(&limits).unwrap();
    if has_address {
        rig.refused().await;
        assert_eq!(rig.recorder.rejected(Reason::Denied), 1);
        assert_eq!((rig.recorder.accepts(), rig.recorder.inflight()), (2, 1));
    } else {
        let (mut ours, mut peer) = rig.connect().await;
        ping(&mut ours.io, &mut peer.io).await;
    }
    // An open connection is kept.
    ping(&mut first.io, &mut first_peer.io).await;
    limits.set_denied_peers(IpPrefixes::default());
    rig.limiter.apply(&limits).unwrap();
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
}

/// The admission hook refuses; a panicking hook refuses too.
pub async fn admission_hook_refuses<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    rig.limiter.set_admit(|_| Decision::Refuse);
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Denied), 1);
    let panics = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&panics);
    rig.limiter.set_admit(move |_| {
        assert!(!asked.load(Ordering::Relaxed), "deliberate panic");
        Decision::Allow
    });
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Denied), 2);
    panics.store(false, Ordering::Relaxed);
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    // Refused peers behind a hop leave a little later.
    rig.recorder
        .wait_for("one connection", |s| s.inflight() == 1)
        .await;
}

/// Under overload newcomers are refused and open connections continue.
pub async fn overload_refuses<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    rig.limiter.set_overloaded(true);
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Overload), 1);
    ping(&mut ours.io, &mut peer.io).await;
    rig.limiter.set_overloaded(false);
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
}

/// At the cap a newcomer evicts an idle connection.
///
/// The evicted connection ends in order and returns its place once.
pub async fn idle_connection_is_evicted<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, evicting).await;
    let (mut first, mut first_peer) = rig.connect().await;
    ping(&mut first.io, &mut first_peer.io).await;
    sleep(IDLE).await;
    let (mut second, mut second_peer) = rig.connect().await;
    assert!(
        first.io.read(&mut [0]).await.is_err(),
        "an evicted connection was read"
    );
    drop(first);
    assert_eq!(
        first_peer.io.read(&mut [0]).await.unwrap(),
        0,
        "no end in order"
    );
    assert_eq!(rig.recorder.closes(CloseReason::Evicted), 1);
    ping(&mut second.io, &mut second_peer.io).await;
    drop(first_peer);
    rig.inflight(1).await;
    assert_eq!(rig.limiter.admitted(), 1);
    drop((second, second_peer));
    rig.inflight(0).await;
    assert_eq!(rig.limiter.admitted(), 0);
    let (mut third, mut third_peer) = rig.connect().await;
    ping(&mut third.io, &mut third_peer.io).await;
}

/// A recently active or busy connection is not evicted.
pub async fn busy_connection_is_not_evicted<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, evicting).await;
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::ConnLimit), 1);
    let busy = ours.io.control().busy();
    sleep(IDLE).await;
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::ConnLimit), 2);
    drop(busy);
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!(rig.recorder.closes(CloseReason::Evicted), 0);
}

/// A peer at its own cap evicts no connection.
pub async fn peer_at_its_cap_evicts_nothing<H: Harness>(harness: &H) {
    let tune = |l: &mut Limits| {
        evicting(l);
        l.set_peer_max_conns(1).unwrap();
    };
    let mut rig = Rig::new(harness, tune).await;
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    sleep(IDLE).await;
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::PeerLimit), 1);
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!(rig.recorder.closes(CloseReason::Evicted), 0);
}

fn evicting(limits: &mut Limits) {
    limits.set_max_conns(1).unwrap();
    limits.set_overflow(Overflow::Evict);
    limits.set_evict_after(EVICT_AFTER).unwrap();
}
