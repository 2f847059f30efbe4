//! Vectored writes on their way through the guard.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWrite};
use transport_limits::framed;

use crate::harness::{rates, Rig, CHUNK};

#[tokio::test(start_paused = true)]
async fn buffers_reach_the_stream_as_they_are() {
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

/// A rate cuts a vectored write at a buffer, and a buffer only where it is the first.
#[tokio::test(start_paused = true)]
async fn a_rate_cuts_a_vectored_write_where_it_must() {
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

/// Header and body of queued frames share one write.
#[tokio::test(start_paused = true)]
async fn frames_are_gathered() {
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
