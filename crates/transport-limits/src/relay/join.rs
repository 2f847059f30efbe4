//! The future of a relay.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use transport_core::TransportError;

use super::leg::Leg;
use super::outcome::{RelayError, Relayed, Side};
use super::pipe::{Pipe, PipeEnds, PipeError, TwoStreams};
use super::waits::RareWaits;
use super::wakers::WakeUps;
use crate::ending::{CloseMode, Ending};

/// Joins two streams until both directions have ended or one side fails.
///
/// Each idle pair holds one. An `async` block would also store references to its parts.
pub(super) struct Join<A: Leg, B: Leg> {
    /// The streams; `None` after the end.
    streams: Option<(A, B)>,
    there: Pipe,
    back: Pipe,
    woken: Box<[WakeUps; 2]>,
    rare: RareWaits,
}

type SideResult<T> = Result<T, (Side, TransportError)>;

impl<A: Leg, B: Leg> Join<A, B> {
    /// Joins the streams. `hold` says that `b` cannot half-close.
    pub(super) fn new(a: A, b: B, hold: bool) -> Self {
        if let (Some(a), Some(b)) = (a.guard(), b.guard()) {
            a.0.pair_with(&b.0);
        }
        Self {
            streams: Some((a, b)),
            there: Pipe::new(hold),
            back: Pipe::new(false),
            woken: Box::default(),
            rare: RareWaits::default(),
        }
    }

    fn poll_pipes(&mut self, cx: &mut Context<'_>) -> Poll<SideResult<()>> {
        let Some((a, b)) = &mut self.streams else {
            return Poll::Pending;
        };
        let hold = self.there.hold;
        loop {
            let [woken, woken_back] = &mut *self.woken;
            let pipe = &mut self.there;
            let polled = woken.poll_woken(cx.waker(), |cx| {
                poll_pipe(pipe, cx, &mut TwoStreams(a, b), hold)
            });
            if let Some(Poll::Ready(end)) = polled {
                end.map_err(|failed| failed.side(Side::A, Side::B))?;
                // After the end of the other direction, both streams are dropped.
                a.expect_drop();
            }
            let pipe = &mut self.back;
            let polled = woken_back.poll_woken(cx.waker(), |cx| {
                poll_pipe(pipe, cx, &mut TwoStreams(b, a), false)
            });
            if let Some(Poll::Ready(end)) = polled {
                end.map_err(|failed| failed.side(Side::B, Side::A))?;
                b.expect_drop();
            }
            let (ab, ba) = (self.there.is_done(), self.back.is_done());
            let there = ab || self.there.refused.is_some();
            let back = ba || self.back.refused.is_some();
            // With `hold`, the end of either direction of `b` ends both.
            let ended = hold && (ab || ba);
            if ended || there && back {
                return Poll::Ready(Ok(()));
            }
            // A pending read evaluates the deadlines of its stream, and of the other leg.
            let unread = match (a.guard(), b.guard()) {
                (Some(a), None) if !self.there.is_reading() => Some((Side::A, a)),
                (None, Some(b)) if !self.back.is_reading() => Some((Side::B, b)),
                _ => None,
            };
            if let Some((side, control)) = unread {
                if let Poll::Ready(error) = self.rare.poll_ended(cx, control) {
                    return Poll::Ready(Err((side, error)));
                }
            }
            if !self.there.is_held() {
                return Poll::Pending;
            }
            ready!(self.rare.poll_silence(cx, &self.back, b.guard()));
            self.there.release();
            self.woken[0].wake();
        }
    }

    /// Ends the leg that did not fail.
    ///
    /// It ends in order if the other one did, else by an abort.
    fn end_other(&self, failed: Side) {
        let Some((a, b)) = &self.streams else {
            return;
        };
        let (failed, other) = match failed {
            Side::A => (a.guard(), b.guard()),
            Side::B => (b.guard(), a.guard()),
        };
        let in_order = failed
            .and_then(|leg| leg.0.ending())
            .filter(|ending| ending.close_mode() == CloseMode::InOrder);
        if let Some(other) = other {
            other.0.end_as(in_order.unwrap_or(Ending::PeerFailed));
        }
    }

    /// Returns the outcome of a relay that ended so.
    fn outcome(&mut self, end: SideResult<()>) -> Result<Relayed, RelayError> {
        let refused = |pipe: &mut Pipe, side| {
            let refused = pipe.refused.take();
            refused.map_or(Ok(()), |e| Err((side, e.into())))
        };
        let relayed = Relayed {
            a_to_b: self.there.bytes,
            b_to_a: self.back.bytes,
        };
        let end = match end {
            // The end of either direction of `b` ended both.
            Ok(()) if self.there.hold => Ok(()),
            Ok(()) => {
                refused(&mut self.there, Side::B).and_then(|()| refused(&mut self.back, Side::A))
            }
            failed => failed,
        };
        end.map(|()| relayed)
            .map_err(|(side, error)| RelayError::new(side, relayed, error))
    }
}

impl<A: Leg, B: Leg> Future for Join<A, B> {
    type Output = Result<Relayed, RelayError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let end = ready!(self.poll_pipes(cx));
        if let Err((failed, _)) = &end {
            self.end_other(*failed);
        }
        let outcome = self.outcome(end);
        self.streams = None;
        Poll::Ready(outcome)
    }
}

impl<A: Leg, B: Leg> Drop for Join<A, B> {
    /// Aborts the legs of a relay that has not ended.
    fn drop(&mut self) {
        let Some((a, b)) = &self.streams else {
            return;
        };
        for leg in [a.guard(), b.guard()].into_iter().flatten() {
            if !leg.is_idle() {
                leg.cancel();
            }
        }
    }
}

/// Polls one direction.
///
/// If the writer's peer has closed, the reader is read to its end. Any other failure ends the relay.
fn poll_pipe<E: PipeEnds>(
    pipe: &mut Pipe,
    cx: &mut Context<'_>,
    ends: &mut E,
    hold: bool,
) -> Poll<Result<(), PipeError>> {
    loop {
        match ready!(pipe.poll(cx, ends)) {
            Err(PipeError::Write(error)) if hold || is_gone(&error) => pipe.refuse(error),
            end => return Poll::Ready(end),
        }
    }
}

/// Returns whether the peer has closed or reset the stream.
fn is_gone(error: &io::Error) -> bool {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    );
    // Our own errors are deadlines and cancels, of any kind.
    gone && TransportError::find(error).is_none()
}

impl PipeError {
    fn side(self, reader: Side, writer: Side) -> (Side, TransportError) {
        match self {
            Self::Read(error) => (reader, error.into()),
            Self::Write(error) => (writer, error.into()),
        }
    }
}
