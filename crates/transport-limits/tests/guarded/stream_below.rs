//! Calls that the guarded stream passes on to the stream below.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use transport_core::{CloseReason, Connection, Io, Taken, TransportError};
use transport_limits::{GuardedIo, UpgradeIo};
use transport_testkit::MemoryIo;

use crate::harness::{Ours, Rig};

/// A stream with chosen properties.
struct Below {
    inner: UpgradeIo<MemoryIo>,
    holds_back: bool,
    drops_announced: Arc<AtomicUsize>,
}

impl AsyncRead for Below {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Below {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Io for Below {
    fn abort(&mut self) {
        self.inner.abort();
    }

    fn has_sent_all(&mut self) -> bool {
        !self.holds_back
    }

    fn needs_flush(&self) -> bool {
        self.holds_back
    }

    fn taken(&mut self) -> Option<Taken> {
        Some(Taken::Read(77))
    }

    fn expect_drop(&mut self) {
        self.drops_announced.fetch_add(1, Ordering::Relaxed);
    }
}

async fn over_below(ours: Ours, holds_back: bool) -> (GuardedIo<Below>, Arc<AtomicUsize>) {
    let drops_announced = Arc::<AtomicUsize>::default();
    let drops = Arc::clone(&drops_announced);
    let handshake = |raw: Connection<UpgradeIo<MemoryIo>>| async move {
        let (inner, info) = raw.into_parts();
        let io = Below {
            inner,
            holds_back,
            drops_announced,
        };
        Ok::<_, TransportError>(Connection::new(io, (*info).clone()))
    };
    let upgraded = ours.io.upgrade(|raw, _| handshake(raw)).await.unwrap();
    (upgraded.io, drops)
}

#[tokio::test(start_paused = true)]
async fn state_of_the_stream_below_is_passed_on() {
    let mut rig = Rig::new(|_| {});
    for holds_back in [true, false] {
        let (ours, mut peer) = rig.connect().await;
        let (mut io, drops) = over_below(ours, holds_back).await;
        assert_eq!(io.has_sent_all(), !holds_back);
        assert_eq!(io.taken(), Some(Taken::Read(77)));
        assert!(!io.is_write_vectored(), "the stream below is not");
        assert!(io.needs_flush(), "before the first write");
        io.write_all(b"hi").await.unwrap();
        assert_eq!(io.needs_flush(), holds_back);
        io.flush().await.unwrap();
        assert!(!io.needs_flush(), "everything is flushed");
        peer.io.read_exact(&mut [0; 2]).await.unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        io.expect_drop();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn ended_stream_has_nothing_to_send() {
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let (mut io, drops) = over_below(ours, true).await;
    io.control().cancel();
    assert!(io.has_sent_all());
    assert_eq!(io.taken(), None);
    io.expect_drop();
    assert_eq!(drops.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn abort_of_guarded_stream_is_a_cancel() {
    let mut rig = Rig::new(|_| {});
    let (mut ours, mut peer) = rig.connect().await;
    ours.io.abort();
    assert!(ours.io.control().is_ended());
    let error = peer.io.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(rig.recorder.closes(CloseReason::Cancelled), 1);
}
