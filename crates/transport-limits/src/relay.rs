//! Joins two guarded streams.
//!
//! Half-closes are forwarded, and a failure aborts the other leg.

mod echo;
mod leg;
mod outcome;
mod pipe;
mod wakers;

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Instant, Sleep};
use transport_core::{Io, TransportError};

pub use echo::echo;
pub use leg::Leg;
pub use outcome::{RelayError, Relayed, Side};

use crate::control::Control;
use crate::ending::{CloseMode, Ending};
use pipe::{Pipe, PipeEnds, PipeError, TwoStreams};
use wakers::WakeUps;

/// Longest silence of a stream whose peer's end of stream is withheld.
///
/// It is several round trips of Tor, and longer than a slow circuit needs for its bytes in flight.
const SILENCE: Duration = Duration::from_secs(15);

/// Relays until both directions have ended or one side fails.
///
/// Deadlines and rates are those of the streams. Both streams are closed when the future resolves.
///
/// The legs share one activity clock and are idle together. A reset, a truncation or a deadline of
/// one stream aborts the other, after the bytes it sent before are delivered. A stream that accepts
/// no more bytes does not end the other direction: its own bytes are delivered up to its end of
/// stream, then both legs end.
///
/// ```
/// use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt};
/// use transport_core::Plain;
/// use transport_limits::relay;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut client, a) = duplex(64);
/// let (mut upstream, b) = duplex(64);
/// let relaying = tokio::spawn(relay(Plain(a), Plain(b)));
/// client.write_all(b"question").await?;
/// client.shutdown().await?;
/// let mut question = String::new();
/// upstream.read_to_string(&mut question).await?;
/// assert_eq!(question, "question");
/// drop(upstream);
/// let relayed = relaying.await??;
/// assert_eq!((relayed.a_to_b, relayed.b_to_a), (8, 0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The side that failed, its failure, and the bytes relayed before.
///
/// # Cancel safety
/// Dropping the future aborts both streams, unless they are idle.
pub fn relay<A: Leg, B: Leg>(
    a: A,
    b: B,
) -> impl Future<Output = Result<Relayed, RelayError>> + Send {
    join(a, b, false)
}

/// Relays to a stream `b` that cannot half-close, as over Tor.
///
/// The end of one direction of `b` ends both, so the end of stream of `a` would truncate an answer.
/// It is withheld until `b` has received every byte and has sent nothing for 15 s. The end of `b`
/// ends the relay at once. Otherwise as [`relay`].
///
/// # Errors
/// As [`relay`].
///
/// # Cancel safety
/// As [`relay`].
pub fn relay_without_half_close<A: Leg, B: Leg>(
    a: A,
    b: B,
) -> impl Future<Output = Result<Relayed, RelayError>> + Send {
    join(a, b, true)
}

/// An `async fn` would store both streams twice.
#[allow(clippy::manual_async_fn)]
fn join<A: Leg, B: Leg>(
    mut a: A,
    mut b: B,
    hold: bool,
) -> impl Future<Output = Result<Relayed, RelayError>> + Send {
    async move {
        let legs = RelayLegs::new(a.guard(), b.guard());
        let mut there = Pipe::new(a.guard());
        there.hold = hold;
        let mut pipes = RelayPipes {
            there,
            back: Pipe::new(b.guard()),
            woken: Box::default(),
            silence: None,
        };
        let end = poll_fn(|cx| pipes.poll(cx, &mut a, &mut b, &legs)).await;
        legs.conclude(&end);
        let RelayPipes { there, back, .. } = pipes;
        let refused = |pipe: Pipe, side| pipe.refused.map_or(Ok(()), |e| Err((side, e.into())));
        let relayed = Relayed {
            a_to_b: there.bytes,
            b_to_a: back.bytes,
        };
        let end = match end {
            // The end of either direction of `b` ended both.
            Ok(()) if hold => Ok(()),
            Ok(()) => refused(there, Side::B).and_then(|()| refused(back, Side::A)),
            failed => failed,
        };
        end.map(|()| relayed)
            .map_err(|(side, error)| RelayError::new(side, relayed, error))
    }
}

/// The handles of both legs. Dropping it before the end of the relay aborts them.
struct RelayLegs {
    a: Option<Control>,
    b: Option<Control>,
}

impl RelayLegs {
    fn new(a: Option<&Control>, b: Option<&Control>) -> Self {
        if let (Some(a), Some(b)) = (a, b) {
            a.0.pair_with(&b.0);
        }
        Self {
            a: a.cloned(),
            b: b.cloned(),
        }
    }

    /// Ends the leg that did not fail.
    ///
    /// It ends in order if the other one did, else by an abort.
    fn conclude(mut self, end: &Result<(), (Side, TransportError)>) {
        let (a, b) = (self.a.take(), self.b.take());
        let (failed, other) = match end {
            Ok(()) => return,
            Err((Side::A, _)) => (a, b),
            Err((Side::B, _)) => (b, a),
        };
        let in_order = failed
            .and_then(|leg| leg.0.ending())
            .filter(|ending| ending.close_mode() == CloseMode::InOrder);
        if let Some(other) = other {
            other.0.end_as(in_order.unwrap_or(Ending::PeerFailed));
        }
    }
}

impl Drop for RelayLegs {
    fn drop(&mut self) {
        for leg in [&self.a, &self.b].into_iter().flatten() {
            if !leg.is_idle() {
                leg.cancel();
            }
        }
    }
}

struct RelayPipes {
    there: Pipe,
    back: Pipe,
    /// Boxed, as is the timer: the relay's future stays small.
    woken: Box<[WakeUps; 2]>,
    silence: Option<Box<SilenceTimer>>,
}

impl RelayPipes {
    fn poll<A: Io, B: Io>(
        &mut self,
        cx: &mut Context<'_>,
        a: &mut A,
        b: &mut B,
        legs: &RelayLegs,
    ) -> Poll<Result<(), (Side, TransportError)>> {
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
            if !self.there.is_held() {
                return Poll::Pending;
            }
            let back = &self.back;
            let silence = self
                .silence
                .get_or_insert_with(|| Box::new(SilenceTimer::new(back)));
            ready!(silence.poll(cx, back, legs.b.as_ref()));
            self.there.release();
            self.woken[0].wake();
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

/// Waits until a direction has been silent for 15 s.
struct SilenceTimer {
    seen: u64,
    timer: Pin<Box<Sleep>>,
}

impl SilenceTimer {
    fn new(of: &Pipe) -> Self {
        Self {
            seen: of.bytes,
            timer: Box::pin(sleep(SILENCE)),
        }
    }

    /// Untaken bytes and throttled bytes are not silence.
    fn poll(&mut self, cx: &mut Context<'_>, of: &Pipe, control: Option<&Control>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let throttled = control.is_some_and(Control::is_throttled);
            if of.bytes == self.seen && !of.has_rest() && !throttled {
                return Poll::Ready(());
            }
            self.seen = of.bytes;
            self.timer.as_mut().reset(Instant::now() + SILENCE);
        }
        Poll::Pending
    }
}
