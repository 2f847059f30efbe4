//! The one place in memory of a session, from its first byte to its last.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::AsyncBufRead;
use tokio_rustls::rustls::IoState;
use tokio_rustls::{FallibleAccept, FallibleConnect, TlsStream};
use transport_core::Io;

use super::handshake_io::Opening;
use crate::resume::{within, Record};

/// How far a session has come.
enum Stage<I> {
    Accepting(FallibleAccept<Opening<I>>, Record),
    Connecting(FallibleConnect<Opening<I>>),
    Open(TlsStream<Opening<I>>),
    /// Its handshake failed.
    Over,
}

/// A session. It is over a kilobyte, and stays where it was made: neither the future of its
/// handshake nor the stream that changes hands afterwards carries it.
pub(super) struct Session<I>(Box<Stage<I>>);

impl<I: Io> Session<I> {
    pub(super) fn accepting(accept: FallibleAccept<Opening<I>>) -> Self {
        Self(Box::new(Stage::Accepting(accept, Record::default())))
    }

    pub(super) fn connecting(connect: FallibleConnect<Opening<I>>) -> Self {
        Self(Box::new(Stage::Connecting(connect)))
    }

    /// Runs the handshake. Where it fails, the stream below comes back.
    pub(super) async fn shake_hands(&mut self) -> Result<(), (io::Error, Opening<I>)> {
        poll_fn(|cx| self.poll_shake(cx)).await
    }

    fn poll_shake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), (io::Error, Opening<I>)>> {
        let shaken = match &mut *self.0 {
            Stage::Accepting(accept, record) => {
                let poll = || Pin::new(accept).poll(cx);
                ready!(within(record, poll)).map(TlsStream::Server)
            }
            Stage::Connecting(connect) => ready!(Pin::new(connect).poll(cx)).map(TlsStream::Client),
            Stage::Open(_) | Stage::Over => return self.poll_send_tickets(cx).map(Ok),
        };
        match shaken {
            Ok(stream) => {
                *self.0 = Stage::Open(stream);
                self.poll_send_tickets(cx).map(Ok)
            }
            Err(failed) => {
                *self.0 = Stage::Over;
                Poll::Ready(Err(failed))
            }
        }
    }

    /// Sends the held tickets, unless the client expects an answer or has said that it leaves: then
    /// they go out with the answer, or at the end.
    fn poll_send_tickets(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Open(TlsStream::Server(stream)) = &mut *self.0 else {
            return Poll::Ready(());
        };
        let (opening, session) = stream.get_mut();
        let waits = |state: IoState| state.plaintext_bytes_to_read() > 0 || state.peer_has_closed();
        if session.process_new_packets().is_ok_and(waits) {
            return Poll::Ready(());
        }
        opening.poll_send_tickets(cx)
    }

    /// The stream.
    ///
    /// # Errors
    /// Unless its handshake has succeeded.
    pub(super) fn stream(&mut self) -> io::Result<&mut TlsStream<Opening<I>>> {
        match &mut *self.0 {
            Stage::Open(stream) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The stream below, whatever became of the handshake.
    pub(super) fn below(&mut self) -> Option<&mut Opening<I>> {
        match &mut *self.0 {
            Stage::Open(stream) => Some(stream.get_mut().0),
            _ => None,
        }
    }

    /// Whether rustls holds records that have not been written.
    pub(super) fn wants_write(&self) -> bool {
        matches!(&*self.0, Stage::Open(stream) if stream.get_ref().1.wants_write())
    }

    /// Whether the peer's `close_notify` has arrived, read by us or not. Consumes no data.
    pub(super) fn has_peer_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let Stage::Open(stream) = &mut *self.0 else {
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
        matches!(&*self.0, Stage::Open(stream) if stream.is_write_vectored())
    }
}
