//! `GuardedIo`: a stream with deadlines, pacing, exact byte counts and cancellation.

pub(crate) mod grace;
mod half;
mod linger;
mod open_stream;
mod stream_slot;
mod throttle;
mod timer;
mod write_clock;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport_core::{Io, Taken, TransportError};

use crate::admission::Permit;
use crate::conn_state::ConnState;
use crate::control::Control;
use crate::ending::Ending;
use open_stream::OpenStream;
pub(crate) use stream_slot::CloseStream;
use stream_slot::StreamSlot;

/// A guarded stream. Its deadlines fire through the task that polled it last; a stream that no
/// task polls is ended by [`Control::ended`].
///
/// The end of a connection closes the stream at once, or as soon as a poll that is under way
/// returns; its operations report the end from then on. Dropping it ends the connection. A stream
/// ends in order with a lingering close, or aborted, so that the peer never takes a stream that was
/// cut for a whole one. Aborted are connections that were cancelled or met a read or write
/// deadline, failed streams, streams with a write that was given up while it waited for the peer,
/// and those of a panicking task.
pub struct GuardedIo<I: Io> {
    slot: Arc<StreamSlot<I>>,
    control: Control,
    is_write_vectored: bool,
}

impl<I: Io> GuardedIo<I> {
    pub(crate) fn new(io: I, conn: ConnState, permit: Permit) -> Self {
        let is_write_vectored = io.is_write_vectored();
        let slot = Arc::new(StreamSlot::new(OpenStream::new(io, permit)));
        let conn = Arc::new(conn);
        conn.set_stream(Arc::downgrade(&slot) as Weak<dyn CloseStream>);
        conn.limiter.enter(&conn);
        Self {
            slot,
            control: Control(conn),
            is_write_vectored,
        }
    }

    /// The handle that cancels, counts and says what is owed.
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
        // The connection may have ended during the poll, and no other may follow.
        conn.close_ended();
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

    fn taken(&mut self) -> Option<Taken> {
        self.slot.lock().as_mut()?.io.taken()
    }

    /// Resolves once the peer has reset the connection, which then counts as `reset`.
    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let conn = &*self.control.0;
        let Some(mut lent) = self.slot.lend(conn) else {
            return Box::pin(std::future::pending());
        };
        Box::pin(async move {
            let is_reset = match lent.io() {
                Some(io) => tokio::select! {
                    () = io.wait_reset() => true,
                    () = stream_slot::end_of(conn) => false,
                },
                None => false,
            };
            drop(lent);
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_open(|open, conn| open.poll_write(conn, cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_write_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_open(|open, conn| open.poll_flush(conn, cx))
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
