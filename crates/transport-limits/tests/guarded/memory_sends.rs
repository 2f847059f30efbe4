//! Sends that wait for memory, and writers that fail.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use transport_core::{TaskKind, TransportError};
use transport_limits::framed;

use crate::harness::{deadlines, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);
const FRAME: usize = 64 << 10;
const SMALL: usize = 100;

/// The frame that needs no memory is one at a time.
#[tokio::test(start_paused = true)]
async fn small_frame_waits_for_free_one() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        l.set_max_frame_bytes(FRAME as u64).unwrap();
        l.set_memory_bytes(4 * FRAME as u64).unwrap();
        deadlines(l, |d| d.write = 600 * SECOND);
    });
    let (ours, mut other) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _unused) = framed(ours.io, &control);
    tokio::spawn(async move {
        let header = u32::try_from(FRAME).unwrap().to_be_bytes();
        other.io.write_all(&header).await.unwrap();
        other.io.write_all(&vec![7; FRAME]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let kept = frames.read_frame().await.unwrap().unwrap();

    rig.dialer = rig.dialer.clone().buffer_bytes(8);
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let frame = Bytes::from(vec![3; SMALL]);
    sender.send(frame.clone()).await.unwrap();
    assert_eq!(sender.queued(), 1);
    for _ in 0..2 {
        let waits = timeout(SECOND, sender.send(frame.clone())).await;
        assert!(waits.is_err(), "the free frame is not written yet");
    }
    let second = sender.clone();
    let sending = tokio::spawn(async move { second.send(frame).await });
    sleep(SECOND).await;
    assert_eq!(sender.queued(), 1);
    peer.io.read_exact(&mut [0; 4 + SMALL]).await.unwrap();
    timeout(SECOND, sending).await.unwrap().unwrap().unwrap();
    peer.io.read_exact(&mut [0; 4 + SMALL]).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(sender.queued(), 0);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn failed_write_ends_framed_connection() {
    let mut rig = Rig::new(|_| {});
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    drop(peer);
    while sender.send(vec![8; 100].into()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    timeout(SECOND, control.ended()).await.unwrap();
    let error = frames.read_frame().await.unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    assert_eq!(rig.recorder.tasks_aborted(TaskKind::Writer), 0);
}
