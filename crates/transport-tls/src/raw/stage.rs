//! The one place in memory of a session, from its first byte to its last.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio_rustls::{FallibleAccept, FallibleConnect, TlsStream};
use transport_core::Io;

use super::opening::Opening;

/// How far a session has come.
enum Stage<I> {
    Accepting(FallibleAccept<Opening<I>>),
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
        Self(Box::new(Stage::Accepting(accept)))
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
            Stage::Accepting(accept) => ready!(Pin::new(accept).poll(cx)).map(TlsStream::Server),
            Stage::Connecting(connect) => ready!(Pin::new(connect).poll(cx)).map(TlsStream::Client),
            Stage::Open(_) | Stage::Over => return self.poll_release(cx),
        };
        match shaken {
            Ok(stream) => {
                *self.0 = Stage::Open(stream);
                self.poll_release(cx)
            }
            Err(failed) => {
                *self.0 = Stage::Over;
                Poll::Ready(Err(failed))
            }
        }
    }

    /// Sends what the handshake has held back, unless there is something to be answered: it goes
    /// out with the answer then, or at the end.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), (io::Error, Opening<I>)>> {
        let Stage::Open(TlsStream::Server(stream)) = &mut *self.0 else {
            return Poll::Ready(Ok(()));
        };
        let (opening, session) = stream.get_mut();
        let asked = session.process_new_packets();
        if asked.is_ok_and(|state| state.plaintext_bytes_to_read() > 0) {
            return Poll::Ready(Ok(()));
        }
        let Err(error) = ready!(opening.poll_release(cx)) else {
            return Poll::Ready(Ok(()));
        };
        match std::mem::replace(&mut *self.0, Stage::Over) {
            Stage::Open(TlsStream::Server(stream)) => {
                Poll::Ready(Err((error, stream.into_inner().0)))
            }
            _ => Poll::Ready(Ok(())),
        }
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

    pub(super) fn is_write_vectored(&self) -> bool {
        use tokio::io::AsyncWrite;
        matches!(&*self.0, Stage::Open(stream) if stream.is_write_vectored())
    }
}
