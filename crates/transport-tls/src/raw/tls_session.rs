//! A TLS session, boxed so that it never moves.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_rustls::rustls::IoState;
use tokio_rustls::{FallibleAccept, FallibleConnect, TlsStream};
use transport_core::Io;

use super::handshake_io::HandshakeIo;
use crate::resume::{with_record, HandshakeRecord};

enum SessionState<I> {
    Accepting(FallibleAccept<HandshakeIo<I>>, HandshakeRecord),
    Connecting(FallibleConnect<HandshakeIo<I>>),
    Established(TlsStream<HandshakeIo<I>>),
    Failed,
}

/// A TLS session, from its first byte to its last.
///
/// Its state is larger than a kilobyte. The box keeps it out of the handshake's future and out of
/// the stream that is handed on afterwards.
pub(super) struct TlsSession<I>(Box<SessionState<I>>);

impl<I: Io> TlsSession<I> {
    pub(super) fn accepting(accept: FallibleAccept<HandshakeIo<I>>) -> Self {
        Self(Box::new(SessionState::Accepting(
            accept,
            HandshakeRecord::default(),
        )))
    }

    pub(super) fn connecting(connect: FallibleConnect<HandshakeIo<I>>) -> Self {
        Self(Box::new(SessionState::Connecting(connect)))
    }

    /// Runs the handshake.
    ///
    /// # Errors
    /// Returns the stream below with the error.
    pub(super) async fn handshake(&mut self) -> Result<(), (io::Error, HandshakeIo<I>)> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), (io::Error, HandshakeIo<I>)>> {
        let completed = match &mut *self.0 {
            SessionState::Accepting(accept, record) => {
                let poll = || Pin::new(accept).poll(cx);
                ready!(with_record(record, poll)).map(TlsStream::Server)
            }
            SessionState::Connecting(connect) => {
                ready!(Pin::new(connect).poll(cx)).map(TlsStream::Client)
            }
            SessionState::Established(_) | SessionState::Failed => {
                return self.poll_flush_tickets(cx).map(Ok)
            }
        };
        match completed {
            Ok(stream) => {
                *self.0 = SessionState::Established(stream);
                self.poll_flush_tickets(cx).map(Ok)
            }
            Err(failed) => {
                *self.0 = SessionState::Failed;
                Poll::Ready(Err(failed))
            }
        }
    }

    /// Sends buffered tickets, unless the client has sent data or `close_notify` already.
    ///
    /// In those cases the tickets leave with the answer, or with the shutdown.
    fn poll_flush_tickets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let SessionState::Established(TlsStream::Server(stream)) = &mut *self.0 else {
            return Poll::Ready(());
        };
        let (io, session) = stream.get_mut();
        let can_wait =
            |state: IoState| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed();
        if session.process_new_packets().is_ok_and(can_wait) {
            return Poll::Ready(());
        }
        io.poll_flush_tickets(cx)
    }

    /// Returns the established stream.
    ///
    /// # Errors
    /// `NotConnected` before and without a successful handshake.
    pub(super) fn stream(&mut self) -> io::Result<&mut TlsStream<HandshakeIo<I>>> {
        match &mut *self.0 {
            SessionState::Established(stream) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Returns the stream below an established session.
    pub(super) fn inner(&mut self) -> Option<&mut HandshakeIo<I>> {
        match &mut *self.0 {
            SessionState::Established(stream) => Some(stream.get_mut().0),
            _ => None,
        }
    }

    /// Returns whether rustls holds records that are not written yet.
    pub(super) fn wants_write(&self) -> bool {
        matches!(&*self.0, SessionState::Established(stream) if stream.get_ref().1.wants_write())
    }

    /// Returns whether rustls or the stream below may hold written bytes.
    pub(super) fn needs_flush(&self) -> bool {
        match &*self.0 {
            SessionState::Established(stream) => {
                let (io, state) = stream.get_ref();
                state.wants_write() || io.needs_flush()
            }
            _ => true,
        }
    }

    /// Returns whether the peer's `close_notify` has arrived; consumes no data.
    pub(super) fn has_peer_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let SessionState::Established(stream) = &mut *self.0 else {
            return false;
        };
        // Called to read records until data or an end arrives; the result does not matter.
        let _ = Pin::new(&mut *stream).poll_fill_buf(cx);
        let state = match stream {
            TlsStream::Client(stream) => stream.get_mut().1.process_new_packets(),
            TlsStream::Server(stream) => stream.get_mut().1.process_new_packets(),
        };
        state.is_ok_and(|state| state.peer_has_closed())
    }

    pub(super) fn is_write_vectored(&self) -> bool {
        matches!(&*self.0, SessionState::Established(stream) if stream.is_write_vectored())
    }
}
