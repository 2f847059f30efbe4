//! The end of a connection, as its peer sees it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use transport_core::{CloseReason, Io, Op, TransportError};

use super::rig::{pattern, ping, Rig};
use super::waits::{deadlines, Watch, IDLE, SHORT};
use crate::Harness;

/// The silence after which a raw connection counts as idle.
const QUIET: Duration = Duration::from_secs(1);
/// Clearly longer than that.
const PAST_QUIET: Duration = Duration::from_millis(1200);

/// An idle timeout ends in order: the peer reads EOF.
pub async fn orderly_end_visible<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.idle = IDLE)).await;
    let (mut ours, mut peer) = rig.connect().await;
    ping(&mut ours.io, &mut peer.io).await;
    let error = ours.io.read(&mut [0]).await.unwrap_err();
    assert!(matches!(
        TransportError::from(error),
        TransportError::Timeout { op: Op::Idle }
    ));
    drop(ours);
    assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
    drop(peer);
    rig.inflight(0).await;
}

/// A cancelled transfer is an error for the peer.
pub async fn abort_visible<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    ours.io.write_all(&pattern(1000)).await.unwrap();
    ours.io.flush().await.unwrap();
    peer.io.read_exact(&mut [0; 1000]).await.unwrap();
    ours.io.control().cancel();
    drop(ours);
    let end = peer.io.read(&mut [0; 16]).await;
    if H::SIGNALS_ABORT {
        let error = end.unwrap_err();
        let reason = TransportError::from(error).close_reason();
        assert!(
            matches!(reason, CloseReason::Reset | CloseReason::Truncated),
            "{reason:?}"
        );
    }
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
}

/// A reply arrives whole although the peer was still sending.
pub async fn last_reply_survives_linger<H: Harness>(harness: &H) {
    const UPLOAD: usize = 512 << 10;
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, peer) = rig.connect().await;
    let reply = pattern(1000);
    let (mut read, mut write) = tokio::io::split(peer.io);
    let uploading = tokio::spawn(async move {
        // A peer that reads before it has written everything sees the end of the connection.
        let _ = write.write_all(&vec![7; UPLOAD]).await;
        write
    });
    ours.io.read_exact(&mut [0; 4]).await.unwrap();
    ours.io.write_all(&reply).await.unwrap();
    drop(ours);
    let write = uploading.await.unwrap();
    let mut got = Vec::new();
    read.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, reply);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
    drop((read, write));
    rig.inflight(0).await;
}

/// A drain keeps a connection on which an answer is owed.
pub async fn drain_keeps_owed_answer<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    peer.io.write_all(b"question").await.unwrap();
    peer.io.flush().await.unwrap();
    ours.io.read_exact(&mut [0; 8]).await.unwrap();
    sleep(PAST_QUIET).await;
    assert!(
        !control.close_if_idle(),
        "closed although an answer is owed"
    );
    ours.io.write_all(b"answer").await.unwrap();
    ours.io.flush().await.unwrap();
    assert!(
        !control.close_if_idle(),
        "closed within a second of the last byte"
    );
    sleep(PAST_QUIET).await;
    let busy = control.busy();
    assert!(!control.close_if_idle(), "closed although `busy` is held");
    drop(busy);
    sleep(PAST_QUIET).await;
    assert!(control.close_if_idle());
    drop(ours);
    let mut got = Vec::new();
    peer.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"answer");
}

/// A drain ends a connection that was silent for a second.
pub async fn drain_closes_idle<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |_| {}).await;
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let watch = Watch::start();
    while !control.close_if_idle() {
        sleep(SHORT / 10).await;
    }
    assert!(control.age() >= QUIET, "{:?}", control.age());
    assert!(watch.elapsed() <= QUIET * 10);
    let error = ours.io.read(&mut [0]).await.unwrap_err();
    assert!(matches!(
        TransportError::from(error),
        TransportError::Cancelled
    ));
    drop(ours);
    assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
}

/// After a half-close, silence ends the connection even without idle timeout.
pub async fn half_close_timeout_ends<H: Harness>(harness: &H) {
    let tune = |l: &mut transport_limits::Limits| {
        deadlines(l, |d| {
            d.idle = Duration::ZERO;
            d.half_close = SHORT;
        });
    };
    let mut rig = Rig::new(harness, tune).await;
    let (mut ours, mut peer) = rig.connect().await;
    sleep(SHORT * 2).await;
    ping(&mut ours.io, &mut peer.io).await;
    let control = ours.io.control();
    let watching = tokio::spawn(async move { control.ended().await });
    peer.io.shutdown().await.unwrap();
    assert_eq!(ours.io.read(&mut [0]).await.unwrap(), 0);
    let error = watching.await.unwrap();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::HalfClose }),
        "{error:?}"
    );
    drop(ours);
    assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(rig.recorder.closes(CloseReason::HalfClose), 1);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

/// A deadline and a cancel close a stream without polls.
pub async fn held_stream_closed<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| deadlines(l, |d| d.idle = IDLE)).await;
    let (held, mut peer) = rig.connect().await;
    let control = held.io.control();
    let error = control.ended().await;
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Idle }),
        "{error:?}"
    );
    assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0, "no end in order");
    drop(peer);
    rig.inflight(0).await;
    assert_eq!(rig.recorder.closes(CloseReason::Idle), 1);
    let (also_held, mut peer) = rig.connect().await;
    also_held.io.control().cancel();
    let end = peer.io.read(&mut [0]).await;
    if H::SIGNALS_ABORT {
        end.unwrap_err();
    }
    rig.inflight(0).await;
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
    drop((held, also_held));
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1, "once");
    let (mut waits, _peer) = rig.connect().await;
    let control = waits.io.control();
    let mut waiting = waits.io.wait_reset();
    let cancelled = async {
        control.cancel();
        rig.inflight(0).await;
    };
    tokio::select! {
        biased;
        () = &mut waiting => panic!("no reset arrived"),
        () = cancelled => {}
    }
}
