//! Frames: the read deadline, a full inbox, a throttled writer.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout, Instant};
use transport_core::{CloseReason, Op, Queue, Reason, TransportError};
use transport_limits::framed;

use crate::harness::{assert_took, chunk_in, deadlines, rates, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);

fn header(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap().to_be_bytes()
}

fn framed_rig() -> Rig {
    Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        deadlines(l, |d| d.read = SECOND);
    })
}

/// A pause between chunks does not count against the peer.
#[tokio::test(start_paused = true)]
async fn chunk_deadline_starts_at_read() {
    let mut rig = framed_rig();
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    peer.io.write_all(&header(2 * CHUNK)).await.unwrap();
    peer.io.write_all(&[1; CHUNK + 10]).await.unwrap();
    assert_eq!(
        frames.read_chunk().await.unwrap().unwrap().bytes.len(),
        CHUNK
    );
    sleep(10 * SECOND).await;
    let rest = async {
        sleep(SECOND / 2).await;
        peer.io.write_all(&[1; CHUNK - 10]).await.unwrap();
    };
    let (chunk, ()) = tokio::join!(frames.read_chunk(), rest);
    assert!(chunk.unwrap().unwrap().is_last());
}

/// Repeated calls do not extend the deadline.
#[tokio::test(start_paused = true)]
async fn retried_read_keeps_deadline() {
    let mut rig = framed_rig();
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    peer.io.write_all(&header(2 * CHUNK)).await.unwrap();
    peer.io.write_all(&[1; CHUNK]).await.unwrap();
    assert_eq!(
        frames.read_chunk().await.unwrap().unwrap().bytes.len(),
        CHUNK
    );
    let start = Instant::now();
    let error = loop {
        match timeout(SECOND / 4, frames.read_chunk()).await {
            Ok(read) => break read.unwrap_err(),
            Err(_) => assert!(start.elapsed() < 10 * SECOND, "the read never times out"),
        }
    };
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Read }),
        "{error:?}"
    );
    assert_took(start.elapsed(), SECOND);
}

/// So a large frame on a slow link does not time out.
#[tokio::test(start_paused = true)]
async fn every_chunk_has_its_own_deadline() {
    let mut rig = framed_rig();
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    let send = async {
        peer.io.write_all(&header(8 * CHUNK)).await.unwrap();
        for _ in 0..8 {
            sleep(SECOND * 4 / 5).await;
            peer.io.write_all(&[1; CHUNK]).await.unwrap();
        }
    };
    let (frame, ()) = tokio::join!(frames.read_frame(), send);
    assert_eq!(frame.unwrap().unwrap().len(), 8 * CHUNK);
}

/// Between frames only the idle timeout runs.
#[tokio::test(start_paused = true)]
async fn no_read_deadline_between_frames() {
    let mut rig = framed_rig();
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    for _ in 0..3 {
        peer.io.write_all(&[0, 0, 0, 2, 7, 7]).await.unwrap();
        assert_eq!(
            frames.read_frame().await.unwrap().unwrap(),
            Bytes::from_static(&[7, 7])
        );
        assert!(!control.is_idle(), "an answer is owed");
        sender.send(Bytes::from_static(&[8])).await.unwrap();
        assert!(timeout(20 * SECOND, frames.read_frame()).await.is_err());
        assert!(control.is_idle());
    }
}

/// The peer owes the rest of a header read ahead.
#[tokio::test(start_paused = true)]
async fn partial_next_header_has_deadline() {
    let mut rig = framed_rig();
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    peer.io.write_all(&[0, 0, 0, 1, 7, 0, 0]).await.unwrap();
    frames.read_frame().await.unwrap().unwrap();
    assert!(!control.is_idle());
    let start = Instant::now();
    let error = frames.read_frame().await.unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Read }),
        "{error:?}"
    );
    assert_took(start.elapsed(), SECOND);
}

/// Oversized and truncated frames end the connection with an error.
#[tokio::test(start_paused = true)]
async fn unusable_frames_close_as_errors() {
    for bytes in [&[255_u8, 0, 0, 0][..], &[0, 0, 0, 2, 1]] {
        let mut rig = framed_rig();
        let (ours, mut peer) = rig.connect().await;
        let control = ours.io.control();
        let (mut frames, sender) = framed(ours.io, &control);
        peer.io.write_all(bytes).await.unwrap();
        peer.io.shutdown().await.unwrap();
        frames.read_frame().await.unwrap_err();
        drop((frames, sender));
        rig.recorder
            .wait_for("an end", |s| s.closes(CloseReason::Error) == 1)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn try_send_refused_while_writer_throttled() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let frame = Bytes::from_static(&[3; CHUNK]);
    sender.send(frame.clone()).await.unwrap();
    sender.send(frame.clone()).await.unwrap();
    sleep(SECOND / 10).await;
    let error = sender.try_send(frame.clone()).unwrap_err();
    assert!(
        matches!(error, TransportError::RateLimited { .. }),
        "{error:?}"
    );
    assert_eq!(rig.recorder.queue_dropped(Queue::WriterInbox), 1);
    // Once for the throttled connection, once for the frame.
    assert_eq!(rig.recorder.rejected(Reason::RateLimited), 2);
    peer.io.read_exact(&mut [0; 2 * (CHUNK + 4)]).await.unwrap();
    sleep(5 * SECOND).await;
    sender.try_send(frame).unwrap();
}

/// A full inbox makes `send` wait, and frames keep their order.
#[tokio::test(start_paused = true)]
async fn send_waits_for_room() {
    let mut rig = Rig::new(|l| {
        l.set_writer_inbox(1).unwrap();
        deadlines(l, |d| d.write = 60 * SECOND);
    });
    rig.dialer = rig.dialer.clone().buffer_bytes(8);
    let (ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let (_frames, sender) = framed(ours.io, &control);
    let sending = tokio::spawn(async move {
        for n in 0..100_u8 {
            sender.send(Bytes::from(vec![n; 10])).await.unwrap();
        }
    });
    sleep(SECOND).await;
    assert!(!sending.is_finished());
    for n in 0..100_u8 {
        let mut got = [0; 14];
        peer.io.read_exact(&mut got).await.unwrap();
        assert_eq!((&got[..4], &got[4..]), (&[0, 0, 0, 10][..], &[n; 10][..]));
    }
    sending.await.unwrap();
    assert_eq!(peer.io.read(&mut [0; 1]).await.unwrap(), 0);
}
