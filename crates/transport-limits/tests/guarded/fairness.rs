//! A relay between streams that are always ready: both directions make progress.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::Plain;
use transport_limits::{relay, Side};

const ANSWERS: u64 = 100;
/// The flood ends after this many reads. So an unfair relay fails instead of hanging.
const ENOUGH: u64 = 1_000_000;

#[derive(Default)]
struct Counts {
    floods: AtomicU64,
    answered: AtomicU64,
}

/// Always readable until every answer has arrived.
struct Flood(Arc<Counts>);

/// Always writable, and returns an answer at each read.
struct Answering(u64);

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let floods = self.0.floods.fetch_add(1, Ordering::Relaxed);
        if floods < ENOUGH && self.0.answered.load(Ordering::Relaxed) < ANSWERS {
            buf.put_slice(&[1; 1024]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Answering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0 < ANSWERS {
            self.0 += 1;
            buf.put_slice(&[2]);
        }
        Poll::Ready(Ok(()))
    }
}

/// As [`Answering`], of a peer that reads no more.
struct AnsweringOnly(Answering);

impl AsyncRead for AnsweringOnly {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for AnsweringOnly {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

macro_rules! always_writable {
    ($($stream:ty, $note:expr;)*) => {$(
        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                #[allow(clippy::redundant_closure_call)]
                ($note)(&*self, buf.len());
                Poll::Ready(Ok(buf.len()))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

always_writable! {
    Flood, |flood: &Flood, bytes: usize| {
        flood.0.answered.fetch_add(bytes as u64, Ordering::Relaxed);
    };
    Answering, |_: &Answering, _: usize| {};
}

#[tokio::test]
async fn one_way_flood_does_not_starve_answers() {
    let counts = Arc::new(Counts::default());
    let relayed = relay(Plain(Flood(Arc::clone(&counts))), Plain(Answering(0))).await;
    let relayed = relayed.unwrap();
    assert_eq!(relayed.b_to_a, ANSWERS);
    let floods = counts.floods.load(Ordering::Relaxed);
    assert_eq!(relayed.a_to_b, (floods - 1) * 1024);
    assert!(
        floods <= 4 * ANSWERS,
        "{floods} reads before {ANSWERS} answers were delivered"
    );
}

#[tokio::test]
async fn discarded_flood_does_not_starve_answers() {
    let counts = Arc::new(Counts::default());
    let answering = AnsweringOnly(Answering(0));
    let failed = relay(Plain(Flood(Arc::clone(&counts))), Plain(answering)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.side, Side::B);
    assert_eq!((failed.relayed.a_to_b, failed.relayed.b_to_a), (0, ANSWERS));
    let floods = counts.floods.load(Ordering::Relaxed);
    assert!(floods <= 4 * ANSWERS, "{floods} reads");
}
