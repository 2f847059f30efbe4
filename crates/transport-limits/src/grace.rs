//! One more reactor turn before a passed deadline ends an operation.

use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, Sleep};

/// The resolution of tokio's timers. They fire after the reactor has polled the sockets.
const TURN: Duration = Duration::from_millis(1);

/// The turn of a process that was stopped.
///
/// The reactor polls a bounded number of sockets in a turn (1024 in tokio), and thousands may be
/// ready at once.
const LONG_TURN: Duration = Duration::from_millis(50);
/// A deadline is handled within this time, unless the process was stopped.
const LATE: Duration = Duration::from_millis(20);

/// Returns the reactor's time to poll every socket, `late` after a deadline.
pub(crate) fn turn(late: Duration) -> Duration {
    if late < LATE {
        TURN
    } else {
        LONG_TURN
    }
}

/// Gives the reactor one more turn at a passed deadline.
///
/// A process that was stopped or starved finds the deadline passed before it has read the bytes in
/// its sockets.
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
    /// Ready once the reactor has had its turn, `late` after the deadline.
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

    /// Prepares a turn for the next deadline.
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
    fn stopped_process_gets_long_turn() {
        assert_eq!(turn(Duration::ZERO), TURN);
        assert_eq!(turn(Duration::from_secs(3)), LONG_TURN);
    }
}
