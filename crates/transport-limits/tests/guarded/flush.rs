//! Flushes through the guard, which skips those without effect.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{
    duplex, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf,
};
use transport_core::{Backend, ConnInfo, Connection, Dialer, Io, Target, TransportError};
use transport_limits::{relay, Guard, GuardedIo, Limiter};

use crate::harness::{anywhere, Rig};

/// A stream that counts its flushes.
struct FlushCounter {
    io: DuplexStream,
    holds_bytes: bool,
    flushes: Arc<AtomicUsize>,
}

impl Io for FlushCounter {
    fn abort(&mut self) {}

    fn needs_flush(&self) -> bool {
        self.holds_bytes
    }
}

impl AsyncRead for FlushCounter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for FlushCounter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Dials one stream.
struct OnceDialer(Mutex<Option<FlushCounter>>);

impl Dialer for OnceDialer {
    type Io = FlushCounter;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn dial(&self, _: &Target) -> Result<Connection<FlushCounter>, TransportError> {
        let io = self.0.lock().unwrap().take().unwrap();
        Ok(Connection::new(io, ConnInfo::new(Backend::Tcp, None)))
    }
}

/// Returns a guarded stream with 64 buffered bytes, its peer, its flushes.
async fn dialed(
    limiter: &Limiter,
    holds_bytes: bool,
) -> (GuardedIo<FlushCounter>, DuplexStream, Arc<AtomicUsize>) {
    let (io, peer) = duplex(64);
    let flushes = Arc::new(AtomicUsize::new(0));
    let counter = FlushCounter {
        io,
        holds_bytes,
        flushes: Arc::clone(&flushes),
    };
    let dialer = Guard::new(OnceDialer(Mutex::new(Some(counter))), limiter);
    (dialer.dial(&anywhere()).await.unwrap().io, peer, flushes)
}

#[tokio::test(start_paused = true)]
async fn flush_skipped_if_stream_holds_no_bytes() {
    let rig = Rig::new(|_| {});
    for (holds_bytes, reached) in [(false, 0), (true, 1)] {
        let (mut ours, _peer, flushes) = dialed(&rig.limiter, holds_bytes).await;
        ours.write_all(b"bytes").await.unwrap();
        ours.flush().await.unwrap();
        assert_eq!(flushes.load(Ordering::Relaxed), reached);
        // Nothing was written in between.
        ours.flush().await.unwrap();
        assert_eq!(flushes.load(Ordering::Relaxed), reached);
    }
}

/// The flush marks the bytes of such a peer as taken.
#[tokio::test(start_paused = true)]
async fn flush_after_wait_for_peer_reaches_stream() {
    let rig = Rig::new(|_| {});
    let (mut ours, mut peer, flushes) = dialed(&rig.limiter, false).await;
    let writing = async {
        ours.write_all(&[7; 96]).await.unwrap();
        ours.flush().await.unwrap();
    };
    let mut received = [0; 96];
    let (_, read) = tokio::join!(writing, peer.read_exact(&mut received));
    read.unwrap();
    assert_eq!(flushes.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn flush_after_cancel_returns_error() {
    let rig = Rig::new(|_| {});
    let (mut ours, _peer, _) = dialed(&rig.limiter, false).await;
    ours.write_all(b"bytes").await.unwrap();
    ours.control().cancel();
    let error = TransportError::from(ours.flush().await.unwrap_err());
    assert!(matches!(error, TransportError::Cancelled), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn relay_flushes_stream_that_holds_bytes() {
    let mut rig = Rig::new(|_| {});
    let (client, mut peer) = rig.connect().await;
    let (upstream, mut other, flushes) = dialed(&rig.limiter, true).await;
    let relaying = tokio::spawn(relay(client.io, upstream));
    peer.io.write_all(b"bytes").await.unwrap();
    let mut received = [0; 5];
    other.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"bytes");
    tokio::task::yield_now().await;
    assert_eq!(flushes.load(Ordering::Relaxed), 1);
    drop((peer, other));
    let _ = relaying.await.unwrap();
}
