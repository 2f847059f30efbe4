//! Ends of streams and passed-on calls, as seen by the stream below.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep, Instant};
use transport_core::{Backend, CloseReason, Connection, Io, Reason, Taken, TransportError};
use transport_limits::{relay, Side, UpgradeIo};

use crate::events::Log;
use crate::scripted::{scripted, ScriptedIo, LINGER};

const SECOND: Duration = Duration::from_secs(1);
/// Bytes of one read of a lingering close.
const READ: usize = 64 << 10;
/// Bytes that a lingering close discards before it may end.
const DISCARDED: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn close_in_order_shuts_down_once() {
    let conn = scripted(|script| script.ends = true).await;
    assert_eq!(conn.close().await, ["shutdown", "drop"]);
    let conn = scripted(|_| ()).await;
    assert_eq!(conn.close().await, ["shutdown", "drop"], "after lingering");
    let mut conn = scripted(|_| ()).await;
    conn.io.shutdown().await.unwrap();
    assert_eq!(conn.close().await, ["shutdown", "drop"], "by the handler");
}

#[tokio::test(start_paused = true)]
async fn unusable_data_aborts_unless_shut_down() {
    let refused = || TransportError::Refused {
        reason: Reason::Denied,
    };
    let conn = scripted(|_| ()).await;
    let control = conn.io.control();
    conn.limiter.reject(Reason::Denied, &control, &refused());
    assert_eq!(conn.close().await, ["abort", "drop"]);
    let mut conn = scripted(|_| ()).await;
    let control = conn.io.control();
    conn.limiter.reject(Reason::Denied, &control, &refused());
    conn.io.shutdown().await.unwrap();
    assert_eq!(conn.close().await, ["shutdown", "drop"]);
}

/// The log has the failure in words unless the reason names it.
#[tokio::test(start_paused = true)]
async fn failed_stream_is_aborted_and_logged() {
    for (kind, reason, in_words) in [
        (io::ErrorKind::Other, CloseReason::Error, true),
        (io::ErrorKind::ConnectionReset, CloseReason::Reset, false),
    ] {
        let (log, _guard) = Log::capture();
        let mut conn = scripted(|script| script.read_fails = Some(kind)).await;
        conn.io.read_u8().await.unwrap_err();
        let recorder = conn.recorder.clone();
        assert_eq!(conn.close().await, ["abort", "drop"], "{kind:?}");
        assert_eq!(recorder.closes(reason), 1, "{kind:?}");
        let line = &log.lines("event=close")[0];
        assert_eq!(line.contains("error=on purpose"), in_words, "{line}");
    }
}

/// A failed shutdown after the peer's end of stream is no failure.
#[tokio::test(start_paused = true)]
async fn failed_shutdown_after_peers_end() {
    for (ends, done, reason) in [
        (
            true,
            &["shutdown", "shutdown", "drop"][..],
            CloseReason::Eof,
        ),
        (false, &["shutdown", "abort", "drop"], CloseReason::Reset),
    ] {
        let mut conn = scripted(|script| {
            script.ends = ends;
            script.shutdown_fails = Some(io::ErrorKind::ConnectionReset);
        })
        .await;
        if ends {
            assert_eq!(conn.io.read(&mut [0; 1]).await.unwrap(), 0);
        }
        conn.io.shutdown().await.unwrap_err();
        let recorder = conn.recorder.clone();
        assert_eq!(conn.close().await, done);
        assert_eq!(recorder.closes(reason), 1, "{ends}");
    }
}

/// Returns the bytes and the duration of a lingering close.
async fn discarded(to_read: usize, sent_after: Duration) -> (usize, Duration) {
    let start = Instant::now();
    let conn = scripted(|script| {
        script.to_read = to_read;
        script.sent_at = Some(start + sent_after);
    })
    .await;
    let (script, limiter) = (conn.script, conn.limiter);
    drop(conn.io);
    // A task closes the stream in the background.
    while script.lock().unwrap().done.last() != Some(&"drop") {
        sleep(SECOND / 100).await;
    }
    assert_eq!(limiter.lingering(), 0);
    let read = script.lock().unwrap().read;
    (read, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn linger_ends_after_enough_bytes() {
    let (read, took) = discarded(4 * DISCARDED, Duration::ZERO).await;
    assert_eq!(read, DISCARDED + READ);
    assert!(took < SECOND / 10, "{took:?}");
    let (read, took) = discarded(DISCARDED, Duration::ZERO).await;
    assert_eq!(read, DISCARDED);
    assert!(took >= LINGER, "the peer may send more: {took:?}");
    let (read, took) = discarded(4 * DISCARDED, 10 * SECOND).await;
    assert_eq!(read, 4 * DISCARDED, "bytes of ours are not sent yet");
    assert!(took >= LINGER, "{took:?}");
}

/// The leg beside a failed one is aborted after its bytes.
#[tokio::test(start_paused = true)]
async fn abort_waits_for_sent_bytes() {
    for (sent_after, aborted_after) in [
        (Duration::ZERO, Duration::ZERO),
        (SECOND, SECOND),
        (10 * SECOND, LINGER),
    ] {
        let start = Instant::now();
        let failing =
            scripted(|script| script.read_fails = Some(io::ErrorKind::ConnectionReset)).await;
        let other = scripted(|script| script.sent_at = Some(start + sent_after)).await;
        let failed = relay(failing.io, other.io).await.unwrap_err();
        assert_eq!(failed.side, Side::A);
        if sent_after > Duration::ZERO {
            sleep(SECOND / 2).await;
            assert_eq!(other.limiter.lingering(), 1);
        }
        sleep(2 * LINGER).await;
        assert_eq!(other.limiter.lingering(), 0);
        let script = other.script.lock().unwrap();
        let aborted = script.aborted_at.unwrap() - start;
        assert!(aborted >= aborted_after, "{aborted:?}");
        assert!(aborted <= aborted_after + SECOND / 5, "{aborted:?}");
        let ends: Vec<_> = script
            .done
            .iter()
            .filter(|what| **what == "abort")
            .collect();
        assert_eq!(ends.len(), 1, "{:?}", script.done);
        assert!(!script.done.contains(&"shutdown"), "{:?}", script.done);
        let discards = script.done.contains(&"discard");
        assert_eq!(discards, sent_after > Duration::ZERO, "{:?}", script.done);
    }
}

#[tokio::test(start_paused = true)]
async fn reset_noticed_without_a_read() {
    let mut conn = scripted(|script| script.to_read = 1).await;
    {
        let mut waits = conn.io.wait_reset();
        poll_fn(|cx| {
            assert!(waits.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    conn.io.read_u8().await.unwrap();
    assert!(!conn.io.control().is_ended(), "a dropped wait ends nothing");
    conn.reset.notify_one();
    conn.io.wait_reset().await;
    assert!(conn.io.control().is_ended());
    assert_eq!(conn.recorder.closes(CloseReason::Reset), 1);
    let error = conn.io.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn end_stops_the_wait_for_a_reset() {
    let mut conn = scripted(|_| ()).await;
    let control = conn.io.control();
    tokio::spawn(async move {
        sleep(SECOND).await;
        control.cancel();
    });
    let waited = tokio::time::timeout(2 * SECOND, conn.io.wait_reset()).await;
    waited.unwrap_err();
    assert_eq!(conn.recorder.closes(CloseReason::Cancelled), 1);
    assert_eq!(conn.script.lock().unwrap().done, ["abort", "drop"]);
}

/// Counts are reported by the piece while a stream never waits.
#[tokio::test(start_paused = true)]
async fn bytes_reported_while_never_waiting() {
    const REPORT: u64 = 256 << 10;
    let mut conn = scripted(|script| script.to_read = 16 * READ).await;
    let mut reported = Vec::new();
    for _ in 0..9 {
        conn.io.read_exact(&mut vec![0; READ]).await.unwrap();
        let bytes = conn
            .recorder
            .bytes(Backend::Tcp, transport_core::Direction::In);
        reported.push(bytes);
    }
    let steps = [0, 0, 0, 1, 1, 1, 1, 2, 2];
    assert_eq!(reported, steps.map(|step| step * REPORT));
}

/// The handshake of an upgrade has the stream below.
#[tokio::test(start_paused = true)]
async fn upgrade_handshake_has_the_stream_below() {
    for is_vectored in [true, false] {
        let conn = scripted(|script| {
            script.is_vectored = is_vectored;
            script.to_read = 10;
            script.sent_at = Some(Instant::now() + SECOND);
        })
        .await;
        let script = Arc::clone(&conn.script);
        let handshake = |mut raw: Connection<UpgradeIo<ScriptedIo>>| async move {
            assert_eq!(raw.io.is_write_vectored(), is_vectored);
            assert_eq!(raw.io.taken(), Some(Taken::Read(77)));
            assert!(!raw.io.has_sent_all());
            sleep(SECOND).await;
            assert!(raw.io.has_sent_all());
            raw.io.expect_shutdown();
            raw.io.write_all(b"x").await.unwrap();
            raw.io.flush().await.unwrap();
            let mut bytes = [0; 8];
            let discarded = poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut bytes);
                let polled = raw.io.poll_discard(cx, &mut buf);
                polled.map_ok(|()| buf.filled().len())
            });
            assert_eq!(discarded.await.unwrap(), 8);
            Ok::<_, TransportError>(raw)
        };
        let upgraded = conn.io.upgrade(|raw, _| handshake(raw)).await.unwrap();
        assert_eq!(
            script.lock().unwrap().done,
            ["expect_shutdown", "write", "flush", "discard"]
        );
        drop(upgraded);
    }
}
