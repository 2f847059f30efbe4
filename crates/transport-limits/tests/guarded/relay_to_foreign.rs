//! Relays whose other stream has no guard and stays silent.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt};
use tokio::time::{timeout, Instant};
use transport_core::{Op, Plain, TransportError};
use transport_limits::{relay, RelayError, Relayed, Side};

use crate::harness::{assert_took, deadlines, Rig};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the leg and the deadline that ended a relay.
async fn ended(
    relaying: impl std::future::Future<Output = Result<Relayed, RelayError>>,
) -> (Side, Op) {
    let ended = timeout(60 * SECOND, relaying).await;
    let failed = ended.expect("the relay ends").unwrap_err();
    match failed.error {
        TransportError::Timeout { op } => (failed.side, op),
        other => panic!("no timeout: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn half_close_timeout_ends_relay() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.half_close = 2 * SECOND));
    for is_first in [true, false] {
        let (ours, mut peer) = rig.connect().await;
        let (far, _silent) = duplex(64);
        let start = Instant::now();
        peer.io.shutdown().await.unwrap();
        let end = if is_first {
            ended(relay(ours.io, Plain(far))).await
        } else {
            ended(relay(Plain(far), ours.io)).await
        };
        let side = if is_first { Side::A } else { Side::B };
        assert_eq!(end, (side, Op::HalfClose));
        assert_took(start.elapsed(), 2 * SECOND);
        assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
    }
    assert_eq!(rig.limiter.admitted(), 0);
}

/// The stream takes no bytes, so the guarded one is not read.
#[tokio::test(start_paused = true)]
async fn idle_timeout_ends_relay_to_full_stream() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = 2 * SECOND));
    let (ours, mut peer) = rig.connect().await;
    let (far, _full) = duplex(4);
    peer.io.write_all(b"question").await.unwrap();
    let start = Instant::now();
    assert_eq!(ended(relay(ours.io, Plain(far))).await, (Side::A, Op::Idle));
    assert_took(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn cancel_ends_relay_after_end_of_stream() {
    let mut rig = Rig::new(|_| ());
    let (ours, mut peer) = rig.connect().await;
    let (far, mut upstream) = duplex(64);
    let control = ours.io.control();
    peer.io.shutdown().await.unwrap();
    let relaying = tokio::spawn(relay(ours.io, Plain(far)));
    assert_eq!(upstream.read(&mut [0]).await.unwrap(), 0);
    control.cancel();
    let ended = timeout(SECOND, relaying).await.expect("the relay ends");
    let failed = ended.unwrap().unwrap_err();
    assert!(
        matches!(failed.error, TransportError::Cancelled),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn late_answer_after_end_of_stream_complete() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.half_close = 2 * SECOND));
    let (ours, mut peer) = rig.connect().await;
    let (far, mut upstream) = duplex(64);
    peer.io.write_all(b"question").await.unwrap();
    peer.io.shutdown().await.unwrap();
    let relaying = tokio::spawn(relay(ours.io, Plain(far)));
    let mut question = String::new();
    upstream.read_to_string(&mut question).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(3 * SECOND / 2).await;
        upstream.write_all(&[7; 10]).await.unwrap();
    }
    drop(upstream);
    let mut answer = Vec::new();
    peer.io.read_to_end(&mut answer).await.unwrap();
    assert_eq!((question.as_str(), answer.len()), ("question", 50));
    let relayed = relaying.await.unwrap().unwrap();
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (8, 50));
}
