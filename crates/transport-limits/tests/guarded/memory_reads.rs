//! Reads of frames that wait for memory: clocks, goals, and charged bytes.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, ReadHalf};
use tokio::time::{advance, sleep, timeout};
use transport_core::{Op, TransportError};
use transport_limits::{framed, Control, FrameReader, FrameSender, GuardedIo};
use transport_testkit::MemoryIo;

use crate::harness::{Peer, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);
/// The largest frame, and a peer's share: a quarter of four frames.
const FRAME: usize = 64 << 10;
/// A chunk above the 4 KiB of an uncharged read.
const LARGE: usize = 16 << 10;

struct FramedConn {
    frames: FrameReader<ReadHalf<GuardedIo<MemoryIo>>>,
    control: Control,
    peer: Peer,
    _sender: FrameSender,
}

fn rig(chunk: usize) -> Rig {
    Rig::new(|l| {
        l.set_chunk_bytes(chunk as u64).unwrap();
        l.set_max_frame_bytes(FRAME as u64).unwrap();
        l.set_memory_bytes(4 * FRAME as u64).unwrap();
    })
}

/// Connects with room for two frames between the peers.
async fn connect(rig: &mut Rig) -> FramedConn {
    rig.dialer = rig.dialer.clone().buffer_bytes(3 * FRAME);
    let (ours, peer) = rig.connect().await;
    let control = ours.io.control();
    let (frames, sender) = framed(ours.io, &control);
    FramedConn {
        frames,
        control,
        peer,
        _sender: sender,
    }
}

impl FramedConn {
    /// Sends the length of a frame and this many bytes of it.
    async fn begin(&mut self, len: usize, bytes: usize) {
        let header = u32::try_from(len).unwrap().to_be_bytes();
        self.peer.io.write_all(&header).await.unwrap();
        self.more(bytes).await;
    }

    async fn more(&mut self, bytes: usize) {
        self.peer.io.write_all(&vec![7; bytes]).await.unwrap();
    }

    async fn whole(&mut self) -> Bytes {
        self.frames.read_frame().await.unwrap().unwrap()
    }

    /// Reads for a while, and drops the read.
    async fn reads_on(&mut self) {
        assert!(timeout(SECOND, self.frames.read_frame()).await.is_err());
    }
}

/// Returns a frame of another connection that uses up the peer's share.
async fn kept(rig: &mut Rig) -> Bytes {
    let mut conn = connect(rig).await;
    conn.begin(FRAME, FRAME).await;
    conn.whole().await
}

fn is_timeout(error: &TransportError, of: Op) -> bool {
    matches!(error, TransportError::Timeout { op } if *op == of)
}

/// The clocks begin anew with the memory, for the peer's bytes too.
#[tokio::test(start_paused = true)]
async fn peer_has_its_time_after_memory() {
    for (late, in_time) in [(4 * SECOND, true), (6 * SECOND, false)] {
        let mut rig = rig(CHUNK);
        let kept = kept(&mut rig).await;
        let mut conn = connect(&mut rig).await;
        conn.begin(FRAME, CHUNK).await;
        let FramedConn {
            mut frames,
            mut peer,
            control,
            _sender,
        } = conn;
        let reading = tokio::spawn(async move { frames.read_frame().await });
        sleep(300 * SECOND).await;
        assert!(control.is_throttled());
        drop(kept);
        // The default read timeout is 5 s.
        sleep(late).await;
        assert!(!control.is_throttled());
        let _ = peer.io.write_all(&vec![7; FRAME]).await;
        match reading.await.unwrap() {
            Ok(frame) => assert!(in_time && frame.unwrap().len() == FRAME),
            Err(error) => assert!(!in_time && is_timeout(&error, Op::Read), "{error:?}"),
        }
    }
}

/// A kept frame does not start the read timeout of a wait.
#[tokio::test(start_paused = true)]
async fn owed_bytes_due_after_kept_frame() {
    let mut rig = rig(LARGE);
    let mut conn = connect(&mut rig).await;
    conn.begin(FRAME, FRAME).await;
    let kept = conn.whole().await;
    // Within a chunk, up to where memory for the whole frame is needed.
    conn.begin(FRAME, CHUNK).await;
    let FramedConn {
        mut frames,
        mut peer,
        control,
        _sender,
    } = conn;
    let reading = tokio::spawn(async move { frames.read_frame().await });
    sleep(30 * SECOND).await;
    assert!(!control.is_throttled(), "its clocks run");
    drop(kept);
    sleep(3 * SECOND).await;
    peer.io.write_all(&vec![7; FRAME]).await.unwrap();
    assert_eq!(reading.await.unwrap().unwrap().unwrap().len(), FRAME);
}

/// Late timers leave no gap between two slices of the wait.
#[tokio::test(start_paused = true)]
async fn wait_reported_beyond_late_timer() {
    let mut rig = rig(CHUNK);
    let _kept = kept(&mut rig).await;
    let mut conn = connect(&mut rig).await;
    conn.begin(FRAME, CHUNK).await;
    let control = conn.control.clone();
    let reading = tokio::spawn(async move { conn.whole().await });
    sleep(SECOND / 10).await;
    assert!(control.is_throttled());
    advance(3 * SECOND / 2).await;
    assert!(control.is_throttled(), "the read has not been polled since");
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn smaller_goal_needs_no_wait() {
    let mut rig = rig(CHUNK);
    let _kept = kept(&mut rig).await;
    let mut conn = connect(&mut rig).await;
    conn.begin(FRAME, FRAME).await;
    conn.reads_on().await;
    assert_eq!(conn.control.bytes_in(), 4 + CHUNK as u64, "one free chunk");
    let chunk = timeout(SECOND, conn.frames.read_chunk()).await.unwrap();
    let chunk = chunk.unwrap().unwrap();
    assert_eq!((chunk.offset, chunk.bytes.len()), (0, CHUNK));
}

/// Frames over the chunk get 4 KiB without a charge.
#[tokio::test(start_paused = true)]
async fn free_chunk_grows_with_the_goal() {
    let mut rig = rig(LARGE);
    let _kept = kept(&mut rig).await;
    let held = |rig: &Rig| usize::try_from(rig.recorder.memory_held()).unwrap() - FRAME;
    let mut conn = connect(&mut rig).await;
    conn.begin(FRAME, 100).await;
    conn.reads_on().await;
    assert_eq!(held(&rig), CHUNK);
    conn.more(CHUNK).await;
    conn.reads_on().await;
    assert_eq!(conn.control.bytes_in(), (4 + CHUNK) as u64);
    // A chunk is a smaller goal than the frame, and more than the read has so far.
    for _ in 0..2 {
        let chunk = timeout(SECOND, conn.frames.read_chunk()).await;
        assert!(chunk.is_err(), "100 bytes are left, and no more come");
        assert_eq!(held(&rig), LARGE);
    }
    conn.more(LARGE).await;
    let chunk = conn.frames.read_chunk().await.unwrap().unwrap();
    assert_eq!(chunk.bytes.len(), LARGE);
    assert_eq!(
        rig.limiter.memory_held(),
        FRAME as u64,
        "it is free of charge"
    );
}

/// A read of the frame adds to the charge before.
#[tokio::test(start_paused = true)]
async fn earlier_charge_counts_for_larger_goal() {
    let mut rig = rig(CHUNK);
    let mut conn = connect(&mut rig).await;
    conn.begin(CHUNK, CHUNK).await;
    let uses_free_chunk = conn.whole().await;
    conn.begin(FRAME, 100).await;
    let chunk = timeout(SECOND, conn.frames.read_chunk()).await;
    assert!(chunk.is_err());
    assert_eq!(rig.limiter.memory_held(), CHUNK as u64);
    conn.more(CHUNK).await;
    conn.reads_on().await;
    assert_eq!(rig.limiter.memory_held(), FRAME as u64);
    conn.more(FRAME - CHUNK - 100).await;
    assert_eq!(conn.whole().await.len(), FRAME);
    assert_eq!(rig.limiter.memory_held(), 0);
    drop(uses_free_chunk);
}

#[tokio::test(start_paused = true)]
async fn last_chunk_charged_by_its_length() {
    let mut rig = rig(CHUNK);
    let mut conn = connect(&mut rig).await;
    conn.begin(CHUNK + 10, CHUNK + 5).await;
    let first = conn.frames.read_chunk().await.unwrap().unwrap();
    assert_eq!(first.bytes.len(), CHUNK);
    let more = timeout(SECOND, conn.frames.read_chunk()).await;
    assert!(more.is_err());
    assert_eq!(rig.limiter.memory_held(), 10);
    conn.more(5).await;
    let last = conn.frames.read_chunk().await.unwrap().unwrap();
    assert_eq!((last.offset, last.bytes.len()), (CHUNK, 10));
    assert!(last.is_last());
}

/// Bytes beyond a chunk begin the time of the next one.
#[tokio::test(start_paused = true)]
async fn each_chunk_has_its_read_timeout() {
    let mut rig = rig(CHUNK);
    let mut conn = connect(&mut rig).await;
    conn.begin(5 * CHUNK, CHUNK + 100).await;
    conn.reads_on().await;
    conn.more(CHUNK + 50).await;
    let start = tokio::time::Instant::now();
    let error = conn.frames.read_frame().await.unwrap_err();
    assert!(is_timeout(&error, Op::Read), "{error:?}");
    assert!(start.elapsed() <= 6 * SECOND, "{:?}", start.elapsed());
}

/// The last read of a frame includes the next header.
#[tokio::test(start_paused = true)]
async fn next_header_read_with_rest_of_frame() {
    let mut rig = rig(CHUNK);
    let mut conn = connect(&mut rig).await;
    conn.begin(1000, 300).await;
    conn.reads_on().await;
    conn.more(700).await;
    conn.begin(2000, 2000).await;
    assert_eq!(conn.whole().await.len(), 1000);
    assert_eq!(conn.control.bytes_in(), 4 + 1000 + 4);
    assert_eq!(conn.whole().await.len(), 2000);
}
