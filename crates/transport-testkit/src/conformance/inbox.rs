//! The writer's inbox: bounded, and without loss of accepted frames.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use transport_core::{Queue, Reason, TaskKind, TransportError};
use transport_limits::{framed, Limits};

use super::frames::read_frame;
use super::rig::{pattern, Rig};
use super::waits::deadlines;
use crate::Harness;

const MAX: usize = 64 << 10;

fn inbox(limits: &mut Limits, frames: u64) {
    limits
        .set_max_frame_bytes(MAX as u64)
        .unwrap()
        .set_writer_inbox(frames)
        .unwrap();
    deadlines(limits, |d| d.write = Duration::from_secs(60));
}

/// Returns a frame that carries its number.
fn numbered(n: u32) -> Bytes {
    let mut body = pattern(MAX);
    body[..4].copy_from_slice(&n.to_be_bytes());
    body.into()
}

/// Frames accepted before `Busy` arrive at a late reader.
pub async fn full_inbox_is_busy_without_loss<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| inbox(l, 2)).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let mut taken = 0;
    let error = loop {
        match sender.try_send(numbered(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        // The writer fills the socket's buffers first, so it waits for the peer.
        tokio::task::yield_now().await;
    };
    assert!(matches!(error, TransportError::Busy), "{error:?}");
    assert_eq!(rig.recorder.rejected(Reason::Busy), 1);
    assert_eq!(rig.recorder.queue_dropped(Queue::WriterInbox), 1);
    assert!(!control.is_idle(), "idle although frames are queued");
    for n in 0..taken {
        assert!(
            read_frame(&mut peer.io).await == numbered(n),
            "frame {n} of {taken}"
        );
    }
    rig.recorder
        .wait_for("an empty inbox", |s| s.queue_depth(Queue::WriterInbox) == 0)
        .await;
    assert_eq!(sender.queued(), 0);
    sender.try_send(numbered(taken)).unwrap();
    assert!(read_frame(&mut peer.io).await == numbered(taken));
}

/// The inbox holds at most four of the largest frames.
pub async fn inbox_bounded_by_bytes<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| inbox(l, 1000)).await;
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    while sender.try_send(numbered(0)).is_ok() {
        assert!(
            sender.queued() <= 4,
            "{} of the largest frames are queued",
            sender.queued()
        );
    }
    assert_eq!(rig.recorder.rejected(Reason::Busy), 1);
}

/// An empty inbox accepts the largest frame.
pub async fn one_frame_always_fits<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| inbox(l, 1)).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    for n in 0..3 {
        sender.try_send(numbered(n)).unwrap();
        assert!(read_frame(&mut peer.io).await == numbered(n));
        rig.recorder
            .wait_for("an empty inbox", |s| s.queue_depth(Queue::WriterInbox) == 0)
            .await;
    }
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

/// The size limit of received frames applies to sent frames.
pub async fn oversize_send_refused<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| inbox(l, 8)).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let over = Bytes::from(vec![0; MAX + 1]);
    let error = sender.try_send(over.clone()).unwrap_err();
    assert!(
        matches!(error, TransportError::TooLarge { .. }),
        "{error:?}"
    );
    let error = sender.send(over).await.unwrap_err();
    assert!(
        matches!(error, TransportError::TooLarge { .. }),
        "{error:?}"
    );
    assert_eq!(rig.recorder.rejected(Reason::TooLarge), 2);
    sender.send(numbered(1)).await.unwrap();
    assert!(read_frame(&mut peer.io).await == numbered(1));
}

/// After the last sender's drop, queued frames are sent.
pub async fn dropped_senders_close_the_write_half<H: Harness>(harness: &H) {
    let mut rig = Rig::new(harness, |l| inbox(l, 8)).await;
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (frames, sender) = framed(ours.io, &control);
    let clone = sender.clone();
    sender.send(numbered(0)).await.unwrap();
    drop(sender);
    clone.send(numbered(1)).await.unwrap();
    drop(clone);
    for n in 0..2 {
        assert!(read_frame(&mut peer.io).await == numbered(n));
    }
    assert_eq!(peer.io.read(&mut [0; 4]).await.unwrap(), 0);
    rig.limiter.tasks().wait().await;
    assert_eq!(rig.recorder.tasks_spawned(TaskKind::Writer), 1);
    assert_eq!(rig.recorder.tasks_aborted(TaskKind::Writer), 0);
    assert_eq!(
        rig.recorder.inflight(),
        1,
        "the connection ended although the reader holds it"
    );
    drop((frames, peer));
    rig.inflight(0).await;
}
