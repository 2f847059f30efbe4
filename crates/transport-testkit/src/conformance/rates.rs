//! Byte rates: at most rate × time + burst.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Direction, Reason, Scope};
use transport_limits::{ByteRates, Limits};

use super::rig::{Ours, Peer, Rig};
use super::waits::Watch;
use crate::Harness;

const RATE: u64 = 256 << 10;
/// The bytes of a quarter of a second.
const BURST: u64 = RATE / 4;
/// The bytes to move, slightly over twice the burst.
const BYTES: u64 = 2 * BURST + 1000;

fn rates(limits: &mut Limits, set: impl FnOnce(&mut ByteRates)) {
    limits.set_chunk_bytes(4 << 10).unwrap();
    let mut rates = limits.rates();
    set(&mut rates);
    limits.set_rates(rates).unwrap();
}

/// Returns the least time for these bytes, with the burst spent first.
fn least(bytes: u64) -> Duration {
    Duration::from_secs_f64((bytes - BURST) as f64 / RATE as f64)
}

async fn receive<H: Harness>(ours: &mut Ours<H>, bytes: u64) {
    let mut got = vec![0; usize::try_from(bytes).unwrap()];
    ours.io.read_exact(&mut got).await.unwrap();
}

async fn send<H: Harness>(ours: &mut Ours<H>, bytes: u64) {
    ours.io
        .write_all(&vec![3; usize::try_from(bytes).unwrap()])
        .await
        .unwrap();
    ours.io.flush().await.unwrap();
}

async fn supply<H: Harness>(peer: &mut Peer<H>, bytes: u64) {
    peer.io
        .write_all(&vec![4; usize::try_from(bytes).unwrap()])
        .await
        .unwrap();
    peer.io.flush().await.unwrap();
}

async fn drain<H: Harness>(peer: &mut Peer<H>, bytes: u64) {
    let mut got = vec![0; usize::try_from(bytes).unwrap()];
    peer.io.read_exact(&mut got).await.unwrap();
}

/// Asserts the throttle time of this scope and direction only.
fn assert_charged<H: Harness>(rig: &Rig<H>, wanted: &[(Scope, Direction)]) {
    for scope in Scope::ALL {
        for direction in Direction::ALL {
            let parked = rig.recorder.throttled(scope, direction);
            let due = wanted.contains(&(scope, direction));
            assert_eq!(
                parked > Duration::ZERO,
                due,
                "{scope:?} {direction:?}: {parked:?}"
            );
        }
    }
}

/// Each direction of a connection has the connection's rate.
pub async fn connection_rate_holds<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| rates(l, |r| r.per_conn = RATE)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let watch = Watch::start();
    tokio::join!(
        receive::<H>(&mut ours, BYTES),
        supply::<H>(&mut peer, BYTES)
    );
    watch.assert_took(least(BYTES));
    let watch = Watch::start();
    tokio::join!(send::<H>(&mut ours, BYTES), drain::<H>(&mut peer, BYTES));
    watch.assert_took(least(BYTES));
    assert_charged(
        &rig,
        &[(Scope::Conn, Direction::In), (Scope::Conn, Direction::Out)],
    );
    assert_eq!(
        rig.recorder.rejected(Reason::RateLimited),
        1,
        "the connection was counted twice"
    );
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
}

/// The connections of one peer share its rate.
pub async fn peer_rate_holds<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| rates(l, |r| r.per_peer = RATE)).await;
    let (mut a, mut a_peer) = rig.connect().await;
    let (mut b, mut b_peer) = rig.connect().await;
    let watch = Watch::start();
    tokio::join!(
        receive::<H>(&mut a, BYTES / 2),
        supply::<H>(&mut a_peer, BYTES / 2),
        receive::<H>(&mut b, BYTES / 2),
        supply::<H>(&mut b_peer, BYTES / 2),
    );
    watch.assert_took(least(BYTES / 2 * 2));
    assert_charged(&rig, &[(Scope::Peer, Direction::In)]);
}

/// All connections share the ingress rate; egress is unlimited.
pub async fn ingress_rate_holds<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| rates(l, |r| r.global_ingress = RATE)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let watch = Watch::start();
    tokio::join!(
        receive::<H>(&mut ours, BYTES),
        supply::<H>(&mut peer, BYTES)
    );
    watch.assert_took(least(BYTES));
    tokio::join!(send::<H>(&mut ours, BYTES), drain::<H>(&mut peer, BYTES));
    assert_charged(&rig, &[(Scope::Global, Direction::In)]);
}

/// All connections share the egress rate; ingress is unlimited.
pub async fn egress_rate_holds<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| rates(l, |r| r.global_egress = RATE)).await;
    let (mut ours, mut peer) = rig.connect().await;
    let watch = Watch::start();
    tokio::join!(send::<H>(&mut ours, BYTES), drain::<H>(&mut peer, BYTES));
    watch.assert_took(least(BYTES));
    tokio::join!(
        receive::<H>(&mut ours, BYTES),
        supply::<H>(&mut peer, BYTES)
    );
    assert_charged(&rig, &[(Scope::Global, Direction::Out)]);
}
