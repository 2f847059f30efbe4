//! Admission: rules for addresses, the admission hook, overload, and eviction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use transport_core::{CloseReason, PeerAddr, Reason};
use transport_limits::{Decision, IpPrefixes, Limits, Overflow};

use super::rig::{ping, Rig};
use crate::Harness;

/// How long a connection must be idle before it can be evicted: the least that the setting takes.
const EVICT_AFTER: Duration = Duration::from_secs(1);
/// Well past it.
const IDLE: Duration = Duration::from_millis(1200);

/// Both families, so that it is every peer with an address.
fn every_address() -> IpPrefixes {
    IpPrefixes::parse(&["0.0.0.0/0", "::/0"]).unwrap()
}

/// A denied address is refused before any work; peers without an address are not affected. Rules
/// change by themselves on a reload.
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
    // An open connection stays.
    ping(&mut first.io, &mut first_peer.io).await;
    limits.set_denied_peers(IpPrefixes::default());
    rig.limiter.apply(&limits).unwrap();
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
}

/// The embedder's hook refuses; one that panics refuses too, and accepting goes on.
pub async fn admission_hook_refuses<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    rig.limiter.set_admit(|_| Decision::Refuse);
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Denied), 1);
    let panics = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&panics);
    rig.limiter.set_admit(move |_| {
        assert!(!asked.load(Ordering::Relaxed), "on purpose");
        Decision::Allow
    });
    rig.refused().await;
    assert_eq!(rig.recorder.rejected(Reason::Denied), 2);
    panics.store(false, Ordering::Relaxed);
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    assert_eq!(rig.recorder.inflight(), 1);
}

/// Under overload newcomers are refused and open connections go on.
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

/// At the cap a newcomer takes the place of an idle connection, which ends in order and gives back
/// its place once.
pub async fn idle_connection_is_evicted<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, evicting).await;
    let (mut first, mut first_peer) = rig.connect().await;
    ping(&mut first.io, &mut first_peer.io).await;
    sleep(IDLE).await;
    let (mut second, mut second_peer) = rig.connect().await;
    assert!(first.io.read(&mut [0]).await.is_err(), "it was ended");
    drop(first);
    assert_eq!(first_peer.io.read(&mut [0]).await.unwrap(), 0, "in order");
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

/// A connection that was active a moment ago, or on which work was announced, keeps its place.
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
