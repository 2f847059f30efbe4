//! The memory budget: parked reads, refusals, and charges of frames.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::time::{sleep, timeout, Instant};
use transport_core::{Direction, Op, PeerAddr, Plain, Queue, Reason, Scope, TransportError};
use transport_limits::{framed, relay, FrameReader, FrameSender, GuardedIo};
use transport_testkit::MemoryIo;

use crate::harness::{assert_took, deadlines, Peer, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);
/// The largest frame, and a peer's share: a quarter of four frames.
const FRAME: usize = 64 << 10;

type Framed = (FrameReader<ReadHalf<GuardedIo<MemoryIo>>>, FrameSender);

fn memory_rig() -> Rig {
    Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        l.set_max_frame_bytes(FRAME as u64).unwrap();
        l.set_memory_bytes(4 * FRAME as u64).unwrap();
    })
}

async fn connect(rig: &mut Rig) -> (Framed, Peer) {
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    (framed(ours.io, &control), peer)
}

/// Sends frames of these sizes from a peer that stays connected.
fn send(mut peer: Peer, frames: &'static [usize]) {
    tokio::spawn(async move {
        for len in frames {
            let header = u32::try_from(*len).unwrap().to_be_bytes();
            peer.io.write_all(&header).await.unwrap();
            peer.io.write_all(&vec![7; *len]).await.unwrap();
        }
        sleep(10_000 * SECOND).await;
    });
}

/// Returns a frame that uses up the peer's share. It outlives its connection.
async fn kept_frame(rig: &mut Rig) -> Bytes {
    let ((mut frames, _sender), peer) = connect(rig).await;
    send(peer, &[FRAME]);
    frames.read_frame().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn frame_charged_until_last_clone() {
    let mut rig = memory_rig();
    assert_eq!(rig.recorder.snapshot().memory_limit, 4 * FRAME as u64);
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME]);
    let frame = frames.read_frame().await.unwrap().unwrap();
    let part = frame.slice(FRAME - 1..);
    drop((frames, frame));
    let held = (rig.limiter.memory_held(), rig.recorder.memory_held());
    assert_eq!(held, (FRAME as u64, FRAME as i64));
    drop(part);
    assert_eq!(
        (rig.limiter.memory_held(), rig.recorder.memory_held()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn one_frame_of_a_chunk_is_free() {
    let mut rig = memory_rig();
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[CHUNK, CHUNK, CHUNK]);
    let first = frames.read_frame().await.unwrap().unwrap();
    assert_eq!(
        (rig.limiter.memory_held(), rig.recorder.memory_held()),
        (0, CHUNK as i64)
    );
    let second = frames.read_frame().await.unwrap().unwrap();
    assert_eq!(rig.limiter.memory_held(), CHUNK as u64);
    drop(first);
    let third = frames.read_frame().await.unwrap().unwrap();
    assert_eq!(rig.limiter.memory_held(), CHUNK as u64);
    drop((second, third));
    assert_eq!(
        (rig.limiter.memory_held(), rig.recorder.memory_held()),
        (0, 0)
    );
}

/// The wait is far longer than every deadline. The frame arrives complete.
#[tokio::test(start_paused = true)]
async fn parked_read_outlives_its_deadlines() {
    let mut rig = memory_rig();
    let kept = kept_frame(&mut rig).await;
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME]);
    let parked = tokio::spawn(async move { frames.read_frame().await });
    let start = Instant::now();
    sleep(300 * SECOND).await;
    assert!(!parked.is_finished());
    drop(kept);
    assert_eq!(parked.await.unwrap().unwrap().unwrap().len(), FRAME);
    assert_took(start.elapsed(), 300 * SECOND);
    let waited = rig.recorder.throttled(Scope::Memory, Direction::In);
    assert_took(waited, 300 * SECOND);
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 0);
}

/// Handlers that keep frames and wait for more could deadlock.
#[tokio::test(start_paused = true)]
async fn handler_keeping_frames_goes_idle() {
    let mut rig = memory_rig();
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME, FRAME]);
    let kept = frames.read_frame().await.unwrap().unwrap();
    let start = Instant::now();
    let error = frames.read_frame().await.unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { op: Op::Idle }),
        "{error:?}"
    );
    assert_took(start.elapsed(), 60 * SECOND);
    drop((kept, frames));
    assert_eq!(
        (rig.limiter.memory_held(), rig.recorder.memory_held()),
        (0, 0)
    );
}

/// The place of a dropped read in the queue is kept.
#[tokio::test(start_paused = true)]
async fn dropped_read_not_parked() {
    let mut rig = memory_rig();
    let kept = kept_frame(&mut rig).await;
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, _sender) = framed(ours.io, &control);
    send(peer, &[FRAME]);
    assert!(timeout(10 * SECOND, frames.read_frame()).await.is_err());
    let dropped = Instant::now();
    let error = control.ended().await;
    let is_idle = matches!(error, TransportError::Timeout { op: Op::Idle });
    assert!(is_idle, "{error:?}");
    let took = dropped.elapsed();
    assert!(took >= 60 * SECOND && took <= 63 * SECOND, "{took:?}");
    drop(kept);
    frames.read_frame().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn cancel_ends_parked_read() {
    let mut rig = memory_rig();
    let kept = kept_frame(&mut rig).await;
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut frames, sender) = framed(ours.io, &control);
    send(peer, &[FRAME]);
    let parked = tokio::spawn(async move { frames.read_frame().await });
    sleep(SECOND).await;
    control.cancel();
    let error = parked.await.unwrap().unwrap_err();
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
    drop((kept, sender));
    assert_eq!(rig.limiter.memory_held(), 0);
}

/// A peer at its share does not use another peer's.
#[tokio::test(start_paused = true)]
async fn other_peer_not_delayed() {
    let mut rig = memory_rig();
    let ((mut hog, _hog_sender), hog_peer) = connect(&mut rig).await;
    send(hog_peer, &[FRAME, FRAME]);
    let kept = hog.read_frame().await.unwrap().unwrap();
    assert!(timeout(SECOND, hog.read_frame()).await.is_err());
    let honest = PeerAddr::Ip(([127, 0, 0, 2], 40_000).into());
    rig.dialer = rig.dialer.clone().from_peer(honest);
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME]);
    let read = timeout(SECOND / 10, frames.read_frame()).await;
    assert_eq!(read.unwrap().unwrap().unwrap().len(), FRAME);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn larger_limit_wakes_parked_read() {
    let mut rig = memory_rig();
    let ((mut frames, _sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME, FRAME]);
    let kept = frames.read_frame().await.unwrap().unwrap();
    let parked = tokio::spawn(async move { frames.read_frame().await });
    sleep(SECOND).await;
    assert!(!parked.is_finished());
    rig.apply(|l| {
        l.set_memory_bytes(8 * FRAME as u64).unwrap();
    });
    assert_eq!(parked.await.unwrap().unwrap().unwrap().len(), FRAME);
    assert_eq!(rig.recorder.snapshot().memory_limit, 8 * FRAME as u64);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn sends_are_busy_or_wait_without_memory() {
    let mut rig = memory_rig();
    rig.apply(|l| deadlines(l, |d| d.write = 600 * SECOND));
    rig.dialer = rig.dialer.clone().buffer_bytes(8);
    let ((_frames, sender), mut peer) = connect(&mut rig).await;
    let frame = Bytes::from(vec![3; FRAME]);
    sender.try_send(frame.clone()).unwrap();
    let error = sender.try_send(frame.clone()).unwrap_err();
    assert!(matches!(error, TransportError::Busy), "{error:?}");
    assert_eq!(rig.recorder.rejected(Reason::Busy), 1);
    assert_eq!(rig.recorder.queue_dropped(Queue::WriterInbox), 1);
    // The frame that waits has the reserve, once.
    sender.send(frame.clone()).await.unwrap();
    let waits = sender.clone();
    let waiting = tokio::spawn(async move { waits.send(frame).await });
    sleep(SECOND).await;
    assert!(!waiting.is_finished());
    let mut got = vec![0; 3 * (FRAME + 4)];
    peer.io.read_exact(&mut got).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_took(
        rig.recorder.throttled(Scope::Memory, Direction::Out),
        SECOND,
    );
    rig.recorder
        .wait_for("no held bytes", |s| s.memory_held == 0)
        .await;
    assert_eq!(rig.limiter.memory_held(), 0);
}

/// Each handler keeps its request during its response; clients read late.
#[tokio::test(start_paused = true)]
async fn sends_keep_limit_and_all_complete() {
    const CLIENTS: u16 = 8;
    let mut rig = memory_rig();
    rig.apply(|l| deadlines(l, |d| d.write = 600 * SECOND));
    rig.dialer = rig.dialer.clone().buffer_bytes(8);
    let (mut handlers, mut peers) = (Vec::new(), Vec::new());
    for n in 0..CLIENTS {
        let addr = PeerAddr::Ip(([127, 0, 1, u8::try_from(n).unwrap()], 40_000).into());
        rig.dialer = rig.dialer.clone().from_peer(addr);
        let ((mut frames, sender), peer) = connect(&mut rig).await;
        handlers.push(tokio::spawn(async move {
            let kept = frames.read_frame().await.unwrap().unwrap();
            let response = Bytes::from(vec![3; FRAME]);
            sender.send(response.clone()).await.unwrap();
            sender.send(response).await.unwrap();
            drop((kept, frames, sender));
        }));
        let (reader, mut writer) = tokio::io::split(peer.io);
        peers.push(reader);
        tokio::spawn(async move {
            let len = u32::try_from(2 * CHUNK).unwrap().to_be_bytes();
            writer.write_all(&len).await.unwrap();
            writer.write_all(&[7; 2 * CHUNK]).await.unwrap();
            sleep(10_000 * SECOND).await;
        });
    }
    sleep(SECOND).await;
    let held = rig.limiter.memory_held();
    assert!(
        held >= 2 * FRAME as u64 && held <= 4 * FRAME as u64,
        "{held}"
    );
    let readers = peers.into_iter().map(|mut peer| {
        tokio::spawn(async move {
            let mut got = vec![0; 2 * (FRAME + 4)];
            peer.read_exact(&mut got).await.unwrap();
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
        assert!(rig.limiter.memory_held() <= 4 * FRAME as u64);
    }
    for handler in handlers {
        handler.await.unwrap();
    }
    rig.recorder
        .wait_for("no held bytes", |s| s.memory_held == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn forwarded_frame_charged_once() {
    let mut rig = memory_rig();
    rig.dialer = rig.dialer.clone().buffer_bytes(8);
    let ((mut frames, sender), peer) = connect(&mut rig).await;
    send(peer, &[FRAME]);
    let frame = frames.read_frame().await.unwrap().unwrap();
    sender.try_send(frame).unwrap();
    assert_eq!(rig.limiter.memory_held(), FRAME as u64);
}

/// A length charges nothing before bytes arrive.
#[tokio::test(start_paused = true)]
async fn announced_length_charges_nothing() {
    let mut rig = memory_rig();
    let ((mut frames, _sender), mut peer) = connect(&mut rig).await;
    let len = u32::try_from(FRAME).unwrap().to_be_bytes();
    peer.io.write_all(&len).await.unwrap();
    assert!(timeout(SECOND, frames.read_frame()).await.is_err());
    assert_eq!(rig.limiter.memory_held(), 0);
}

/// The count ends with the relay.
#[tokio::test(start_paused = true)]
async fn relay_remainder_counted() {
    let mut rig = memory_rig();
    let (ours, mut peer) = rig.connect().await;
    let (far, mut upstream) = duplex(64);
    let relaying = tokio::spawn(relay(ours.io, Plain(far)));
    peer.io.write_all(&[1; 100]).await.unwrap();
    rig.recorder
        .wait_for("a remainder", |s| s.memory_held == 36)
        .await;
    upstream.read_exact(&mut [0; 100]).await.unwrap();
    rig.recorder
        .wait_for("no remainder", |s| s.memory_held == 0)
        .await;
    peer.io.write_all(&[1; 100]).await.unwrap();
    rig.recorder
        .wait_for("a remainder", |s| s.memory_held == 36)
        .await;
    relaying.abort();
    rig.recorder
        .wait_for("no relay", |s| s.memory_held == 0)
        .await;
}
