//! Changes of the eviction settings with open connections.

use std::time::Duration;

use tokio::time::sleep;
use transport_core::{Dialer, Reason};
use transport_limits::{Limits, Overflow};

use crate::harness::{anywhere, ping, Rig};

const EVICT_AFTER: Duration = Duration::from_secs(10);

fn one_place(overflow: Overflow) -> impl FnOnce(&mut Limits) {
    move |limits| {
        limits.set_max_conns(1).unwrap();
        limits.set_overflow(overflow);
        limits.set_evict_after(EVICT_AFTER).unwrap();
    }
}

/// Dials while every place is taken; returns the refusals so far.
async fn refused(rig: &mut Rig) -> u64 {
    let recorder = rig.recorder.clone();
    let before = recorder.rejected(Reason::ConnLimit);
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("over the cap"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) > before) => {}
    }
    recorder.rejected(Reason::ConnLimit)
}

#[tokio::test(start_paused = true)]
async fn idle_connection_kept_without_eviction() {
    let mut rig = Rig::new(one_place(Overflow::Refuse));
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    sleep(2 * EVICT_AFTER).await;
    assert_eq!(refused(&mut rig).await, 1);
    ping(&mut ours.io, &mut peer.io).await;
    assert!(!ours.io.control().is_ended());
}

#[tokio::test(start_paused = true)]
async fn eviction_turned_on_by_reload() {
    let mut rig = Rig::new(one_place(Overflow::Refuse));
    let (first, _peer) = rig.connect().await;
    sleep(EVICT_AFTER).await;
    rig.apply(|limits| {
        limits.set_overflow(Overflow::Evict);
    });
    let _second = rig.connect().await;
    assert!(first.io.control().is_ended());
}

#[tokio::test(start_paused = true)]
async fn shorter_idle_time_evicts_sooner() {
    let mut rig = Rig::new(one_place(Overflow::Evict));
    let (first, _peer) = rig.connect().await;
    sleep(EVICT_AFTER / 2).await;
    assert_eq!(refused(&mut rig).await, 1);
    rig.apply(|limits| {
        limits.set_evict_after(EVICT_AFTER / 2).unwrap();
    });
    let _second = rig.connect().await;
    assert!(first.io.control().is_ended());
}

/// A refused connection gives back its places of the peer.
#[tokio::test(start_paused = true)]
async fn lowered_cap_leaks_no_pending_place() {
    const OPEN: usize = 8;
    let mut rig = Rig::new(|limits| {
        one_place(Overflow::Evict)(limits);
        limits.set_max_conns(OPEN as u64).unwrap();
        limits.set_max_pending_handshakes(1).unwrap();
    });
    let mut open = Vec::new();
    for _ in 0..OPEN {
        open.push(rig.connect().await);
    }
    rig.apply(|limits| {
        limits.set_max_conns(1).unwrap();
    });
    sleep(EVICT_AFTER).await;
    // Three evictions reach no cap of 1.
    assert_eq!(refused(&mut rig).await, 1);
    assert_eq!(rig.limiter.peers_with_at_least(OPEN + 1), 0);
    drop(open);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.limiter.admitted(), 0);
    let _next = rig.connect().await;
    assert_eq!(rig.limiter.peers_with_at_least(2), 0);
}
