//! Replaces the stream of an open connection, as STARTTLS does.
//!
//! The connection keeps its place, its counts, its handle and its deadlines.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Empty, ReadBuf};
use tokio::time::Instant;
use transport_core::{Backend, Connection, Io, Observer, Op, Plain, Taken, TransportError};

use super::open_stream::OpenStream;
use super::stream_slot::{end_of, StreamSlot};
use super::GuardedIo;
use crate::conn_state::{CloseStream, ConnState};
use crate::control::Control;
use crate::deadline::until;

impl<I: Io> GuardedIo<I> {
    /// Replaces the raw stream by the result of a handshake on it.
    ///
    /// This is how a plaintext connection becomes a TLS connection (STARTTLS). The handshake gets
    /// the raw stream and the observer, and must end within `handshake_timeout`. The connection
    /// keeps its place, its handle, its byte counts and its backend. Meanwhile it is busy, and an
    /// accepted one has a place among the pending handshakes. The bytes of the handshake are not
    /// counted. The guard holds no received bytes, so every byte that the
    /// caller has not read belongs to the handshake.
    ///
    /// # Errors
    /// [`TransportError::Timeout`] with [`Op::Handshake`], the failure of the handshake, or the end
    /// of the connection. [`TransportError::Refused`] at the limit of pending handshakes.
    /// [`TransportError::State`] for a connection that was upgraded before, that
    /// is framed or half-closed, or with an unfinished write. Every error ends the connection.
    ///
    /// # Cancel safety
    /// Dropping the future aborts the connection.
    pub async fn upgrade<J, F>(
        self,
        handshake: impl FnOnce(Connection<UpgradeIo<I>>, Arc<dyn Observer>) -> F,
    ) -> Result<Connection<GuardedIo<J>>, TransportError>
    where
        J: Io,
        F: Future<Output = Result<Connection<J>, TransportError>>,
    {
        let control = self.control();
        let conn = &*control.0;
        check_upgradable(conn)?;
        let _busy = control.busy();
        let open = self.slot.lock().take();
        let Some(mut open) = open else {
            return Err(conn.end().unwrap_or(TransportError::Closed));
        };
        if let Err(reason) = open.begin_handshake(conn) {
            let error = TransportError::Refused { reason };
            conn.reject(reason, &error);
            open.close(conn);
            return Err(error);
        }
        let (io, open) = open.replace_io(Plain(tokio::io::empty()));
        // Before the handshake, so that it is dropped after the raw stream.
        let mut closing = CloseOnDrop {
            open: Some(open),
            control: control.clone(),
        };
        let is_unfinished = Arc::new(AtomicBool::new(true));
        let io = UpgradeIo {
            io,
            is_unfinished: Arc::clone(&is_unfinished),
        };
        let started = Instant::now();
        let observer = Arc::clone(conn.core.observer());
        let raw = Connection::new(io, Arc::new(conn.info().as_ref().clone()));
        let deadline = started + conn.settings.handshake;
        let result = tokio::select! {
            biased;
            () = end_of(conn) => Err(conn.end().unwrap_or(TransportError::Closed)),
            result = until(deadline, handshake(raw, observer)) => match result {
                Ok(result) => result.inspect_err(|error| closing.fail(error)),
                Err(_) => {
                    let error = TransportError::Timeout { op: Op::Handshake };
                    conn.end_with(&error);
                    Err(error)
                }
            },
        };
        let connection = result?;
        is_unfinished.store(false, Ordering::Relaxed);
        let took = started.elapsed();
        conn.core.observer().handshake(Backend::Tls, took);
        let (io, mut info) = connection.into_parts();
        let details = Arc::make_mut(&mut info);
        // As in every metric and log event of this connection.
        (details.id, details.backend) = (conn.id(), conn.backend());
        conn.core.events().upgraded(&info, took);
        let is_write_vectored = io.is_write_vectored();
        let Some(mut open) = closing.open.take() else {
            return Err(TransportError::Closed);
        };
        open.end_handshake();
        let slot = Arc::new(StreamSlot::new(open.replace_io(io).1));
        let stream = Arc::downgrade(&slot) as Weak<dyn CloseStream>;
        conn.set_upgraded(stream, Arc::clone(&info));
        let io = GuardedIo {
            slot,
            control: control.clone(),
            is_write_vectored,
            needs_flush: true,
        };
        // The connection may have ended before its stream was in place.
        conn.close_ended();
        Ok(Connection::new(io, info))
    }
}

fn check_upgradable(conn: &ConnState) -> Result<(), TransportError> {
    if let Some(error) = conn.end() {
        return Err(error);
    }
    let activity = &conn.activity;
    let refused = [
        (conn.is_upgraded(), "the connection was upgraded before"),
        (
            activity.framed.load(Ordering::Relaxed),
            "a framed connection may hold a part of a frame: upgrade it before it is framed",
        ),
        (
            activity.is_half_closed(),
            "one direction has ended, and a handshake needs both: upgrade before a shutdown",
        ),
        (
            activity.writing.load(Ordering::Relaxed),
            "a write waits for the peer: complete it before the upgrade",
        ),
    ];
    match refused.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, what)) => Err(TransportError::State { what }),
        None => Ok(()),
    }
}

/// Closes a connection whose upgrade fails or is dropped.
struct CloseOnDrop {
    open: Option<OpenStream<Plain<Empty>>>,
    control: Control,
}

impl CloseOnDrop {
    /// Notes the failure of the handshake, and counts it.
    fn fail(&mut self, error: &TransportError) {
        let conn = &self.control.0;
        if let Some(open) = &mut self.open {
            open.fail_as(error);
        }
        if let Some(reason) = error.reason() {
            conn.reject(reason, error);
        }
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let conn = &self.control.0;
        if !open.has_failed() {
            // The future was dropped, or the connection has ended.
            conn.end_with(&TransportError::Cancelled);
        }
        open.close(conn);
    }
}

/// The raw stream of a connection during and after its upgrade.
///
/// Dropped in the middle of the handshake, it aborts the connection: the peer must not take the end
/// of a cut handshake for the end of the stream.
#[derive(Debug)]
pub struct UpgradeIo<I: Io> {
    io: I,
    is_unfinished: Arc<AtomicBool>,
}

impl<I: Io> Drop for UpgradeIo<I> {
    fn drop(&mut self) {
        if self.is_unfinished.load(Ordering::Relaxed) {
            self.io.abort();
        }
    }
}

impl<I: Io> Io for UpgradeIo<I> {
    fn abort(&mut self) {
        self.io.abort();
    }

    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.poll_discard(cx, buf)
    }

    fn has_sent_all(&mut self) -> bool {
        self.io.has_sent_all()
    }

    fn expect_shutdown(&mut self) {
        self.io.expect_shutdown();
    }

    fn taken(&mut self) -> Option<Taken> {
        self.io.taken()
    }

    fn wait_reset(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.io.wait_reset()
    }
}

impl<I: Io> AsyncRead for UpgradeIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Io> AsyncWrite for UpgradeIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ends the stream in order, as a failed handshake does.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_unfinished.store(false, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
