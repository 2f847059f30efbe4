//! `GuardedIo`: a stream with deadlines, throttling, exact byte counts and cancellation.

mod half;
mod linger;
mod op_sampler;
mod open_stream;
mod stream_slot;
mod throttle;
mod timer;
mod upgrade;
mod write_clock;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Taken, TransportError};

use crate::conn_state::{CloseStream, ConnState};
use crate::control::Control;
use crate::ending::Ending;
use crate::permit::Permit;
use crate::registry::{Registration, Registry};
use open_stream::OpenStream;
use stream_slot::StreamSlot;
pub use upgrade::UpgradeIo;

/// A stream with every limit of its connection applied.
///
/// Its deadlines wake the task that polled it last. [`Control::ended`] enforces them for a stream
/// that no task polls.
///
/// The end of the connection closes the stream at once, or when a poll that is under way returns.
/// Later operations return the error of that end. Dropping the stream ends the connection.
///
/// A stream closes in order, with a lingering close, or is aborted, so that the peer never mistakes
/// a truncated stream for a complete one. It is aborted after a cancel, after a read or write
/// deadline, after a failure of the stream, if a write was dropped while it waited for the peer, and
/// if its task panics.
pub struct GuardedIo<I: Io> {
    slot: Arc<StreamSlot<I>>,
    control: Control,
    is_write_vectored: bool,
    /// Whether a flush may have an effect.
    needs_flush: bool,
}

impl<I: Io> GuardedIo<I> {
    pub(crate) fn new(io: I, conn: ConnState, permit: Permit, registry: &Arc<Registry>) -> Self {
        let is_write_vectored = io.is_write_vectored();
        let conn = Arc::new(conn);
        let registration = Registration::new(registry, &conn);
        let open = OpenStream::new(io, permit, registration);
        let slot = Arc::new(StreamSlot::new(open));
        // Before others see the connection, so that a cancel finds its stream.
        conn.set_stream(Arc::downgrade(&slot) as Weak<dyn CloseStream>);
        registry.enter(&conn);
        Self {
            slot,
            control: Control(conn),
            is_write_vectored,
            needs_flush: true,
        }
    }

    /// Returns the connection's handle.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    pub(crate) const fn control_ref(&self) -> &Control {
        &self.control
    }

    /// Runs one poll on the open stream, unless the connection has ended.
    fn poll_open<T>(
        &self,
        poll: impl FnOnce(&mut OpenStream<I>, &ConnState) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let conn = &*self.control.0;
        let polled = match conn.end() {
            Some(error) => Poll::Ready(Err(error.into())),
            None => match &mut *self.slot.lock() {
                Some(open) => poll(open, conn),
                None => Poll::Ready(Err(conn.end().unwrap_or(TransportError::Closed).into())),
            },
        };
        // The connection may have ended during the poll, and no further poll may follow.
        if conn.ending().is_some() {
            conn.close_ended();
        }
        polled
    }
}

impl<I: Io> std::fmt::Debug for GuardedIo<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedIo")
            .field("id", &self.control.id())
            .finish_non_exhaustive()
    }
}

impl<I: Io> Io for GuardedIo<I> {
    /// Ends the connection as [`Control::cancel`] does.
    fn abort(&mut self) {
        self.control.cancel();
    }

    fn has_sent_all(&mut self) -> bool {
        match &mut *self.slot.lock() {
            Some(open) => open.io.has_sent_all(),
            None => true,
        }
    }

    fn needs_flush(&self) -> bool {
        self.needs_flush
    }

    fn expect_drop(&mut self) {
        if let Some(open) = &mut *self.slot.lock() {
            open.io.expect_drop();
        }
    }

    fn taken(&mut self) -> Option<Taken> {
        self.slot.lock().as_mut()?.io.taken()
    }

    /// Resolves once the peer has reset the connection. The close then counts as `reset`.
    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let conn = &*self.control.0;
        let Some(mut borrowed) = self.slot.borrow(conn) else {
            return Box::pin(std::future::pending());
        };
        Box::pin(async move {
            let is_reset = match borrowed.io() {
                Some(io) => tokio::select! {
                    () = io.wait_reset() => true,
                    () = stream_slot::end_of(conn) => false,
                },
                None => false,
            };
            drop(borrowed);
            if !is_reset {
                std::future::pending::<()>().await;
            }
            conn.end_as(Ending::Reset);
        })
    }
}

impl<I: Io> AsyncRead for GuardedIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_open(|open, conn| open.poll_read(conn, cx, buf))
    }
}

impl<I: Io> AsyncWrite for GuardedIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut needs_flush = true;
        let polled = self.poll_open(|open, conn| {
            let polled = open.poll_write(conn, cx, bufs);
            needs_flush = open.needs_flush();
            polled
        });
        self.needs_flush = needs_flush;
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.is_write_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.needs_flush && self.control.0.ending().is_none() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_open(|open, conn| open.poll_flush(conn, cx));
        self.needs_flush = !matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_open(|open, conn| open.poll_shutdown(conn, cx))
    }
}

impl<I: Io> Drop for GuardedIo<I> {
    fn drop(&mut self) {
        let open = self.slot.lock().take();
        if let Some(open) = open {
            open.close(&self.control.0);
        }
    }
}
