//! Cancellation: a connection stops at once, in any operation.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{CloseReason, TaskKind, TransportError};
use transport_limits::{framed, Control, Limits};

use super::rig::{Ours, Rig};
use super::waits::{assert_cancelled_at_once, deadlines, Watch, SHORT};
use crate::Harness;

/// Attempts of each case; see [`assert_cancelled_at_once`].
const TRIES: usize = 3;

/// Sets deadlines that cannot expire before the cancel.
fn patient(limits: &mut Limits) {
    deadlines(limits, |d| d.write = Duration::from_secs(60));
}

fn assert_cancelled(error: std::io::Error) {
    let error = TransportError::from(error);
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
}

/// Cancels a running operation, and measures how long it continues.
async fn cancel<T>(control: &Control, work: tokio::task::JoinHandle<T>) -> (T, Duration) {
    tokio::time::sleep(SHORT / 2).await;
    assert!(!work.is_finished(), "the operation ended before the cancel");
    let watch = Watch::start();
    control.cancel();
    let done = work.await.unwrap();
    (done, watch.elapsed())
}

/// With a waiting read.
pub async fn waiting_read_cancelled_at_once<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, patient).await;
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let (mut ours, _peer) = rig.connect().await;
        let control = ours.io.control();
        let reading = tokio::spawn(async move { ours.io.read(&mut [0; 16]).await });
        let (read, after) = cancel(&control, reading).await;
        assert_cancelled(read.unwrap_err());
        took.push(after);
    }
    assert_cancelled_at_once(&took);
    rig.inflight(0).await;
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), TRIES as u64);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

async fn flood<H: Harness>(ours: &mut Ours<H>) -> std::io::Error {
    let chunk = vec![5; 64 << 10];
    loop {
        if let Err(error) = ours.io.write_all(&chunk).await {
            return error;
        }
    }
}

/// With a write that is blocked by a peer without reads.
pub async fn blocked_write_cancelled_at_once<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, patient).await;
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let (mut ours, _peer) = rig.connect().await;
        let control = ours.io.control();
        let writing = tokio::spawn(async move { flood::<H>(&mut ours).await });
        let (error, after) = cancel(&control, writing).await;
        assert_cancelled(error);
        took.push(after);
    }
    assert_cancelled_at_once(&took);
    rig.inflight(0).await;
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), TRIES as u64);
}

/// In the middle of a transfer.
pub async fn transfer_cancelled_at_once<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, patient).await;
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let (mut ours, mut peer) = rig.connect().await;
        let control = ours.io.control();
        let sink = tokio::spawn(async move {
            let mut buf = vec![0; 64 << 10];
            // A pause now and then lets a paused clock advance.
            while matches!(peer.io.read(&mut buf).await, Ok(read) if read > 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let writing = tokio::spawn(async move { flood::<H>(&mut ours).await });
        let (error, after) = cancel(&control, writing).await;
        assert_cancelled(error);
        took.push(after);
        sink.await.unwrap();
    }
    assert_cancelled_at_once(&took);
    rig.inflight(0).await;
}

/// Reader and writer tasks stop, also with a full inbox.
pub async fn framed_connection_cancelled_with_tasks<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, patient).await;
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let (ours, _peer) = rig.connect().await;
        let control = ours.io.control();
        let (mut frames, sender) = framed(ours.io, &control);
        let frame = Bytes::from(vec![9; 64 << 10]);
        let sending = tokio::spawn(async move {
            while sender.send(frame.clone()).await.is_ok() {}
            sender.try_send(frame).unwrap_err()
        });
        let reading = tokio::spawn(async move { frames.read_frame().await.unwrap_err() });
        let (error, mut after) = cancel(&control, reading).await;
        assert!(matches!(error, TransportError::Cancelled), "{error:?}");
        let watch = Watch::start();
        let error = sending.await.unwrap();
        assert!(matches!(error, TransportError::Closed), "{error:?}");
        rig.limiter.tasks().wait().await;
        after += watch.elapsed();
        took.push(after);
    }
    assert_cancelled_at_once(&took);
    rig.inflight(0).await;
    assert_eq!(rig.recorder.tasks_spawned(TaskKind::Writer), TRIES as u64);
    assert_eq!(rig.recorder.tasks_aborted(TaskKind::Writer), TRIES as u64);
    assert_eq!(
        rig.recorder.queue_depth(transport_core::Queue::WriterInbox),
        0
    );
}
