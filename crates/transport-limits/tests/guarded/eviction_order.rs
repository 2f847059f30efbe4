//! The order in which idle connections are evicted.

use std::time::Duration;

use tokio::time::{advance, sleep};
use transport_core::{Dialer, Reason};
use transport_limits::{Limits, Overflow};

use crate::harness::{anywhere, ping, Ours, Peer, Rig};

const EVICT_AFTER: Duration = Duration::from_secs(10);
/// Idle connections that one search compares.
const SAMPLE: usize = 16;

async fn full(conns: usize) -> (Rig, Vec<(Ours, Peer)>) {
    let mut rig = Rig::new(|limits: &mut Limits| {
        limits.set_max_conns(conns as u64).unwrap();
        limits.set_overflow(Overflow::Evict);
        limits.set_evict_after(EVICT_AFTER).unwrap();
    });
    let mut open = Vec::new();
    for _ in 0..conns {
        open.push(rig.connect().await);
    }
    (rig, open)
}

fn ended(open: &[(Ours, Peer)]) -> Vec<usize> {
    let is_ended = |at: &usize| open[*at].0.io.control().is_ended();
    (0..open.len()).filter(is_ended).collect()
}

#[tokio::test(start_paused = true)]
async fn activity_after_accept_delays_eviction() {
    let (mut rig, mut open) = full(1).await;
    sleep(EVICT_AFTER).await;
    let (ours, peer) = &mut open[0];
    ping(&mut ours.io, &mut peer.io).await;
    sleep(EVICT_AFTER / 2).await;
    let recorder = rig.recorder.clone();
    let _refused = rig.dialer.dial(&anywhere()).await.unwrap();
    tokio::select! {
        _ = rig.guard.accept() => panic!("it was active a moment ago"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1) => {}
    }
    sleep(EVICT_AFTER / 2).await;
    let _next = rig.connect().await;
    assert_eq!(ended(&open), [0]);
}

#[tokio::test(start_paused = true)]
async fn first_of_equally_idle_evicted() {
    let (mut rig, open) = full(3).await;
    sleep(EVICT_AFTER).await;
    let _next = rig.connect().await;
    assert_eq!(ended(&open), [0]);
}

/// The cost of a search does not grow with the idle connections.
#[tokio::test(start_paused = true)]
async fn search_compares_a_sample() {
    let (mut rig, mut open) = full(SAMPLE + 4).await;
    advance(Duration::from_secs(1)).await;
    for (ours, peer) in &mut open[..SAMPLE] {
        ping(&mut ours.io, &mut peer.io).await;
        advance(Duration::from_millis(1)).await;
    }
    sleep(2 * EVICT_AFTER).await;
    let _next = rig.connect().await;
    assert_eq!(ended(&open), [0], "the last four are idle for longer");
}
