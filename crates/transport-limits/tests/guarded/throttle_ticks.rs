//! Moments of throttled reads, and the sizes of their pieces.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use transport_core::{Direction, Op, Scope, TransportError};
use transport_limits::Limits;

use crate::harness::{deadlines, rates, Rig};

const SECOND: Duration = Duration::from_secs(1);

fn limited(per_conn: u64, chunk: u64) -> impl FnOnce(&mut Limits) {
    move |limits| {
        limits.set_chunk_bytes(chunk).unwrap();
        rates(limits, |rates| rates.per_conn = per_conn);
    }
}

/// Spends the burst; returns size and duration of the next read.
async fn next_read(rig: &mut Rig, burst: usize, want: usize) -> (usize, Duration) {
    rig.dialer = rig.dialer.clone().buffer_bytes(1 << 20);
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&vec![1; burst + want]).await.unwrap();
    let start = Instant::now();
    ours.io.read_exact(&mut vec![0; burst]).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let read = ours.io.read(&mut vec![0; want]).await.unwrap();
    (read, start.elapsed())
}

/// Longer waits end on ticks of 4 ms, unless that loses tokens.
#[tokio::test(start_paused = true)]
async fn long_waits_end_on_common_ticks() {
    const CHUNK: u64 = 64 << 10;
    let millis = Duration::from_millis;
    for (per_sec, chunk, burst, want, took) in [
        // 4.8 ms are below two ticks.
        (1 << 20, CHUNK, 256 << 10, 5000, millis(5)),
        // 8.6 ms and 17.2 ms are not.
        (1 << 20, CHUNK, 256 << 10, 9000, millis(12)),
        (1 << 20, CHUNK, 256 << 10, 18_000, millis(20)),
        // The burst is one chunk, so the bucket would overflow.
        (10_000, 4096, 4096, 4096, millis(410)),
    ] {
        let mut rig = Rig::new(limited(per_sec, chunk));
        let (read, waited) = next_read(&mut rig, burst, want).await;
        assert_eq!((read, waited), (want, took), "{want} bytes at {per_sec}/s");
    }
}

/// Reads wait for a small rest, and not for two pieces.
#[tokio::test(start_paused = true)]
async fn large_read_waits_for_one_piece() {
    const PIECE: usize = 4 << 10;
    for (want, read) in [
        (PIECE, PIECE),
        (2 * PIECE - 1, 2 * PIECE - 1),
        (2 * PIECE, PIECE),
    ] {
        let mut rig = Rig::new(limited(20_000, 16 << 10));
        let (got, _) = next_read(&mut rig, 16 << 10, want).await;
        // Tokens until the timer fires come with the piece.
        assert!(got >= read && got <= read + 200, "{got} of {want} bytes");
    }
}

/// Earlier bytes in the buffer cost no tokens.
#[tokio::test(start_paused = true)]
async fn pieces_of_a_buffer_cost_their_bytes() {
    let mut rig = Rig::new(limited(4096, 4096));
    let (mut ours, mut peer) = rig.connect().await;
    let reading = tokio::spawn(async move {
        let start = Instant::now();
        ours.io.read_exact(&mut [0; 4096]).await.unwrap();
        start.elapsed()
    });
    for piece in [2000, 1000, 1096] {
        peer.io.write_all(&vec![1; piece]).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(reading.await.unwrap(), Duration::ZERO);
    let throttled = rig.recorder.throttled(Scope::Conn, Direction::In);
    assert_eq!(throttled, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn earlier_idle_timeout_ends_owing_read() {
    let mut rig = Rig::new(|limits| {
        deadlines(limits, |d| (d.read, d.idle) = (10 * SECOND, 2 * SECOND));
    });
    let (mut ours, _peer) = rig.connect().await;
    ours.io.control().expect_read(1);
    let start = Instant::now();
    let error = TransportError::from(ours.io.read_u8().await.unwrap_err());
    let op = matches!(error, TransportError::Timeout { op: Op::Idle });
    assert!(op, "{error:?}");
    assert!(start.elapsed() < 3 * SECOND);
}
