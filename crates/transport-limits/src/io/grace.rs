//! One turn of the reactor before a deadline is judged.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Sleep};

/// The shortest time that tokio's timers know. They fire after the reactor has looked at the
/// sockets, on whichever thread it runs.
const TURN: Duration = Duration::from_millis(1);

/// A turn of a process that is so late that it was stopped: a turn looks at a bounded number of
/// sockets (1024 in tokio), and thousands may be ready at once.
const LONG_TURN: Duration = Duration::from_millis(50);
/// A deadline is judged within this, unless the process was stopped.
const LATE: Duration = Duration::from_millis(20);

/// Returns how long the reactor needs to look at every socket, at a deadline that passed so long
/// ago.
pub(crate) fn turn(late: Duration) -> Duration {
    if late < LATE {
        TURN
    } else {
        LONG_TURN
    }
}

/// A process that was stopped or starved finds a deadline passed before it has seen the bytes
/// that wait in its sockets: they get one more turn.
#[derive(Debug, Default)]
pub(crate) struct Grace(GraceState);

#[derive(Debug, Default)]
enum GraceState {
    #[default]
    Unused,
    Waiting(Pin<Box<Sleep>>),
    Given,
}

impl Grace {
    /// Ready once the reactor has had a turn after a deadline that passed so long ago.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, late: Duration) -> Poll<()> {
        if matches!(self.0, GraceState::Unused) {
            self.0 = GraceState::Waiting(Box::pin(sleep(turn(late))));
        }
        if let GraceState::Waiting(turn) = &mut self.0 {
            ready!(turn.as_mut().poll(cx));
            self.0 = GraceState::Given;
        }
        Poll::Ready(())
    }

    /// Gives the next deadline a turn of its own.
    pub(crate) fn reset(&mut self) {
        if !matches!(self.0, GraceState::Unused) {
            self.0 = GraceState::Unused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_process_gets_a_long_turn() {
        assert_eq!(turn(Duration::ZERO), TURN);
        assert_eq!(turn(Duration::from_secs(3)), LONG_TURN);
    }
}
