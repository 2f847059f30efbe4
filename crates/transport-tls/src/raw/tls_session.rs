//! The one place in memory of a session, from its first byte to its last.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::AsyncBufRead;
use tokio_rustls::rustls::IoState;
use tokio_rustls::{FallibleAccept, FallibleConnect, TlsStream};
use transport_core::Io;

use super::handshake_io::HandshakeIo;
use crate::resume::{with_record, HandshakeRecord};

/// How far a session has come.
enum SessionState<I> {
    Accepting(FallibleAccept<HandshakeIo<I>>, HandshakeRecord),
    Connecting(FallibleConnect<HandshakeIo<I>>),
    Established(TlsStream<HandshakeIo<I>>),
    /// Its handshake failed.
    Failed,
}

/// A session. It is over a kilobyte, and stays where it was made: neither the future of its
/// handshake nor the stream that changes hands afterwards carries it.
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

    /// Runs the handshake. Where it fails, the stream below comes back.
    pub(super) async fn handshake(&mut self) -> Result<(), (io::Error, HandshakeIo<I>)> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), (io::Error, HandshakeIo<I>)>> {
        let shaken = match &mut *self.0 {
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
        match shaken {
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

    /// Sends the held tickets, unless the client expects an answer or has said that it leaves: then
    /// they go out with the answer, or at the end.
    fn poll_flush_tickets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let SessionState::Established(TlsStream::Server(stream)) = &mut *self.0 else {
            return Poll::Ready(());
        };
        let (opening, session) = stream.get_mut();
        let waits = |state: IoState| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed();
        if session.process_new_packets().is_ok_and(waits) {
            return Poll::Ready(());
        }
        opening.poll_flush_tickets(cx)
    }

    /// The stream.
    ///
    /// # Errors
    /// Unless its handshake has succeeded.
    pub(super) fn stream(&mut self) -> io::Result<&mut TlsStream<HandshakeIo<I>>> {
        match &mut *self.0 {
            SessionState::Established(stream) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The stream below, whatever became of the handshake.
    pub(super) fn inner(&mut self) -> Option<&mut HandshakeIo<I>> {
        match &mut *self.0 {
            SessionState::Established(stream) => Some(stream.get_mut().0),
            _ => None,
        }
    }

    /// Whether rustls holds records that have not been written.
    pub(super) fn wants_write(&self) -> bool {
        matches!(&*self.0, SessionState::Established(stream) if stream.get_ref().1.wants_write())
    }

    /// Whether the peer's `close_notify` has arrived, read by us or not. Consumes no data.
    pub(super) fn has_peer_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let SessionState::Established(stream) = &mut *self.0 else {
            return false;
        };
        // Its result does not matter: it reads until there is data, or an end.
        let _ = Pin::new(&mut *stream).poll_fill_buf(cx);
        let state = match stream {
            TlsStream::Client(stream) => stream.get_mut().1.process_new_packets(),
            TlsStream::Server(stream) => stream.get_mut().1.process_new_packets(),
        };
        state.is_ok_and(|state| state.peer_has_closed())
    }

    pub(super) fn is_write_vectored(&self) -> bool {
        use tokio::io::AsyncWrite;
        matches!(&*self.0, SessionState::Established(stream) if stream.is_write_vectored())
    }
}
