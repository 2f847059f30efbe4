//! Eviction among limiters with shared ceilings.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::advance;
use transport_core::Reason;
use transport_limits::{Limits, Overflow};

use crate::harness::{ping, Ours, Peer, Rig};
use crate::shared::{refused, two};

const EVICT_AFTER: Duration = Duration::from_secs(10);

/// Answers once, so that the connection is idle, and holds it.
async fn idle(rig: &mut Rig) -> Peer {
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    hold(ours);
    peer
}

fn hold(mut ours: Ours) {
    tokio::spawn(async move {
        let _ = ours.io.read(&mut [0; 16]).await;
    });
}

fn evicting(l: &mut Limits) {
    l.set_max_conns(4).unwrap();
    l.set_overflow(Overflow::Evict);
    l.set_evict_after(EVICT_AFTER).unwrap();
}

/// Returns the evicted connections of both.
fn evicted(public: &Rig, private: &Rig) -> [u64; 2] {
    [public, private].map(|rig| rig.recorder.closes(transport_core::CloseReason::Evicted))
}

#[tokio::test(start_paused = true)]
async fn many_connections_do_not_evict_few() {
    let (_, mut public, mut private) = two(evicting);
    let mut held = vec![idle(&mut private).await];
    for _ in 0..3 {
        held.push(idle(&mut public).await);
    }
    advance(2 * EVICT_AFTER).await;
    // The idle connection of the private limiter is the oldest.
    for _ in 0..3 {
        held.push(idle(&mut public).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(evicted(&public, &private), [3, 0]);
    // None of the public connections is idle for long enough now.
    refused(&mut public, Reason::ConnLimit).await;
    assert_eq!(evicted(&public, &private), [3, 0]);
}

#[tokio::test(start_paused = true)]
async fn few_connections_evict_from_many() {
    let (_, mut public, mut private) = two(evicting);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(idle(&mut public).await);
    }
    advance(2 * EVICT_AFTER).await;
    held.push(idle(&mut private).await);
    held.push(idle(&mut private).await);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(evicted(&public, &private), [2, 0]);
    assert_eq!((public.limiter.open(), private.limiter.open()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn equal_siblings_evict_their_own() {
    let (_, mut public, mut private) = two(evicting);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(idle(&mut public).await);
        held.push(idle(&mut private).await);
    }
    advance(2 * EVICT_AFTER).await;
    held.push(idle(&mut private).await);
    assert_eq!(evicted(&public, &private), [0, 1]);
}
