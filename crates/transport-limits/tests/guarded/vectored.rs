//! Vectored writes through the guard.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWrite};
use transport_limits::framed;

use crate::harness::{rates, Rig, CHUNK};

#[tokio::test(start_paused = true)]
async fn vectored_buffers_reach_stream_unchanged() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, _peer) = rig.connect().await;
    let parts = [
        IoSlice::new(b"a"),
        IoSlice::new(b"bc"),
        IoSlice::new(b"def"),
    ];
    let written = poll_fn(|cx| Pin::new(&mut ours.io).poll_write_vectored(cx, &parts)).await;
    assert_eq!((written.unwrap(), rig.writes.calls()), (6, vec![3]));
}

/// A rate truncates the list of buffers. It splits a buffer only if that is the first.
#[tokio::test(start_paused = true)]
async fn rate_limits_vectored_write_at_buffers() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        rates(l, |r| r.per_conn = CHUNK as u64);
    });
    let (mut ours, _peer) = rig.connect().await;
    let large = [1; CHUNK];
    let parts = [IoSlice::new(b"head"), IoSlice::new(&large)];
    let written = poll_fn(|cx| Pin::new(&mut ours.io).poll_write_vectored(cx, &parts)).await;
    assert_eq!((written.unwrap(), rig.writes.calls()), (4, vec![1]));
}

/// Headers and bodies are parts of one vectored write.
#[tokio::test(start_paused = true)]
async fn queued_frames_share_one_write() {
    let mut rig = Rig::new(|_| {});
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    for _ in 0..3 {
        sender.try_send(Bytes::from_static(b"body")).unwrap();
    }
    peer.io.read_exact(&mut [0; 24]).await.unwrap();
    assert_eq!(rig.writes.calls(), [6]);
}
