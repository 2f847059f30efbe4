//! A boxed stream behaves as the stream inside, and a plain one has the defaults.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Plain, Taken};

/// A bit per method of [`Io`] that was called.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    fn note(&self, method: u32) {
        self.0.fetch_or(1 << method, Ordering::Relaxed);
    }
}

struct Recorder(Calls);

impl Io for Recorder {
    fn abort(&mut self) {
        self.0.note(0);
    }

    fn poll_discard(&mut self, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buf.put_slice(b"x");
        self.0.note(1);
        Poll::Ready(Ok(()))
    }

    fn has_sent_all(&mut self) -> bool {
        false
    }

    fn taken(&mut self) -> Option<Taken> {
        Some(Taken::Read(7))
    }

    fn expect_drop(&mut self) {
        self.0.note(2);
    }

    fn expect_shutdown(&mut self) {
        self.0.note(3);
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(b"read");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns the bytes of a discarding read.
fn discarded(io: &mut dyn Io) -> Vec<u8> {
    let mut bytes = [0; 8];
    let mut buf = ReadBuf::new(&mut bytes);
    let mut cx = Context::from_waker(noop());
    assert!(io.poll_discard(&mut cx, &mut buf).is_ready());
    buf.filled().to_vec()
}

/// A waker without effect.
fn noop() -> &'static Waker {
    struct Noop;
    impl std::task::Wake for Noop {
        fn wake(self: Arc<Self>) {}
    }
    Box::leak(Box::new(Waker::from(Arc::new(Noop))))
}

/// Returns whether the future of a reset is ready at once.
fn has_reset(io: &mut dyn Io) -> bool {
    let mut reset = io.wait_reset();
    let mut cx = Context::from_waker(noop());
    reset.as_mut().poll(&mut cx).is_ready()
}

#[test]
fn boxed_stream_forwards_every_method() {
    let calls = Calls::default();
    let mut io: Box<dyn Io> = Box::new(Recorder(calls.clone()));
    // The methods of the box, not of the stream inside.
    let io: &mut dyn Io = &mut io;
    assert_eq!(discarded(io), b"x");
    assert!(!io.has_sent_all() && has_reset(io));
    assert_eq!(io.taken().map(Taken::bytes), Some(7));
    io.expect_drop();
    io.expect_shutdown();
    io.abort();
    assert_eq!(calls.0.load(Ordering::Relaxed), 0b1111);
}

#[test]
fn plain_stream_has_defaults() {
    let calls = Calls::default();
    let mut io = Plain(Recorder(calls.clone()));
    assert_eq!(discarded(&mut io), b"read");
    assert!(io.has_sent_all() && !has_reset(&mut io));
    assert_eq!(io.taken(), None);
    io.expect_drop();
    io.expect_shutdown();
    io.abort();
    assert_eq!(calls.0.load(Ordering::Relaxed), 0, "its abort is a drop");
    let bufs = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
    let mut cx = Context::from_waker(noop());
    let written = Pin::new(&mut io).poll_write_vectored(&mut cx, &bufs);
    assert!(io.is_write_vectored() && matches!(written, Poll::Ready(Ok(3))));
}
