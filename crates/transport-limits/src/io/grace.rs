//! One turn of the reactor before a deadline is judged.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Sleep};

/// The shortest time that tokio's timers know. They fire after the reactor has looked at the
/// sockets, on whichever thread it runs.
pub(crate) const TURN: Duration = Duration::from_millis(1);

/// A process that was stopped or starved finds a deadline passed before it has seen the bytes
/// that wait in its sockets: they get one more turn.
#[derive(Debug, Default)]
pub(crate) struct Grace(Turn);

#[derive(Debug, Default)]
enum Turn {
    #[default]
    Unused,
    Waiting(Pin<Box<Sleep>>),
    Given,
}

impl Grace {
    /// Ready once the reactor has had a turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.0, Turn::Unused) {
            self.0 = Turn::Waiting(Box::pin(sleep(TURN)));
        }
        if let Turn::Waiting(turn) = &mut self.0 {
            ready!(turn.as_mut().poll(cx));
            self.0 = Turn::Given;
        }
        Poll::Ready(())
    }

    /// Gives the next deadline a turn of its own.
    pub(crate) fn reset(&mut self) {
        if !matches!(self.0, Turn::Unused) {
            self.0 = Turn::Unused;
        }
    }
}
