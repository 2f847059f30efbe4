//! The wrappers of streams: each call reaches the stream below.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{
    Backend, ConnInfo, Connection, Io, PeerAddr, Pending, Plain, Taken, TransportError,
};

struct NoWake;

impl Wake for NoWake {
    fn wake(self: Arc<Self>) {}
}

fn waker() -> Waker {
    Arc::new(NoWake).into()
}

/// Records the calls; `vectored` is its answer to `is_write_vectored`.
#[derive(Default)]
struct Recorder {
    calls: Vec<&'static str>,
    vectored: bool,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.calls.push("read");
        buf.put_slice(b"abc");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.calls.push("write");
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls.push("vectored");
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push("flush");
        Poll::Pending
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push("shutdown");
        Poll::Pending
    }
}

/// A backend's stream whose answers differ from the defaults.
struct Special(Recorder);

impl AsyncRead for Special {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Special {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Io for Special {
    fn abort(&mut self) {
        self.0.calls.push("abort");
    }

    fn poll_discard(&mut self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.calls.push("discard");
        Poll::Pending
    }

    fn has_sent_all(&mut self) -> bool {
        self.0.calls.push("has_sent_all");
        self.0.vectored
    }

    fn taken(&mut self) -> Option<Taken> {
        Some(Taken::Read(7))
    }

    fn expect_drop(&mut self) {
        self.0.calls.push("expect_drop");
    }

    fn expect_shutdown(&mut self) {
        self.0.calls.push("expect_shutdown");
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn plain_stream_passes_calls_on() {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    for vectored in [true, false] {
        let mut stream = Plain(Recorder {
            vectored,
            ..Recorder::default()
        });
        assert_eq!(stream.is_write_vectored(), vectored);
        let mut pinned = Pin::new(&mut stream);
        let mut bytes = [0; 8];
        let mut buf = ReadBuf::new(&mut bytes);
        assert!(pinned.as_mut().poll_read(&mut cx, &mut buf).is_ready());
        assert_eq!(buf.filled(), b"abc");
        let wrote = pinned.as_mut().poll_write(&mut cx, b"four");
        assert!(matches!(wrote, Poll::Ready(Ok(4))));
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cde")];
        let wrote = pinned.as_mut().poll_write_vectored(&mut cx, &parts);
        assert!(matches!(wrote, Poll::Ready(Ok(5))));
        assert!(pinned.as_mut().poll_flush(&mut cx).is_pending());
        assert!(pinned.as_mut().poll_shutdown(&mut cx).is_pending());
        let want = ["read", "write", "vectored", "flush", "shutdown"];
        assert_eq!(stream.0.calls, want);
    }
}

#[test]
fn plain_stream_has_the_default_answers() {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut stream = Plain(Recorder::default());
    let mut bytes = [0; 8];
    let mut buf = ReadBuf::new(&mut bytes);
    // A discard is a read, so it reports the bytes.
    assert!(stream.poll_discard(&mut cx, &mut buf).is_ready());
    assert_eq!(
        (buf.filled(), &stream.0.calls[..]),
        (&b"abc"[..], &["read"][..])
    );
    assert!(stream.has_sent_all());
    assert_eq!(stream.taken(), None);
    assert!(pin!(stream.wait_reset()).poll(&mut cx).is_pending());
}

/// Makes every call through the trait.
fn use_all<T: Io>(io: &mut T, cx: &mut Context<'_>, has_sent_all: bool) {
    io.abort();
    let mut bytes = [0; 8];
    let mut buf = ReadBuf::new(&mut bytes);
    assert!(io.poll_discard(cx, &mut buf).is_pending());
    assert_eq!(io.has_sent_all(), has_sent_all);
    assert_eq!(io.taken(), Some(Taken::Read(7)));
    io.expect_drop();
    io.expect_shutdown();
    assert!(pin!(io.wait_reset()).poll(cx).is_ready());
}

#[test]
fn boxed_stream_passes_calls_on() {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut stream = Box::new(Special(Recorder::default()));
    use_all(&mut stream, &mut cx, false);
    stream.0.vectored = true;
    use_all(&mut stream, &mut cx, true);
    let once = [
        "abort",
        "discard",
        "has_sent_all",
        "expect_drop",
        "expect_shutdown",
    ];
    assert_eq!(stream.0.calls, [once, once].concat());
}

#[test]
fn taken_bytes_of_both_forms() {
    let acknowledged = Taken::Acknowledged {
        bytes: 9,
        in_flight: true,
    };
    assert_eq!((Taken::Read(7).bytes(), acknowledged.bytes()), (7, 9));
}

/// A pending connection with the defaults of the trait.
struct Direct;

impl Pending for Direct {
    type Io = Plain<Recorder>;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Uid(7)
    }

    async fn establish(self) -> Result<Connection<Self::Io>, TransportError> {
        let info = ConnInfo::new(Backend::Uds, Some(self.peer()));
        Ok(Connection::new(Plain(Recorder::default()), info))
    }
}

#[test]
fn pending_connection_is_no_hop_by_default() {
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut direct = Direct;
    assert_eq!(direct.hop_timeout(), None::<Duration>);
    assert_eq!(direct.refused(), None);
    let identified = pin!(direct.identify()).poll(&mut cx);
    assert!(matches!(identified, Poll::Ready(Ok(()))));
    let Poll::Ready(Ok(conn)) = pin!(direct.establish()).poll(&mut cx) else {
        panic!("establish waits");
    };
    assert_eq!(conn.info().peer, Some(PeerAddr::Uid(7)));
}
