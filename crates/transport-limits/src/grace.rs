//! One more reactor turn before a passed deadline ends an operation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
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
pub(crate) struct Grace(Option<Pin<Box<Sleep>>>);

impl Grace {
    /// Ready once the reactor has had its turn, `late` after the deadline.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, late: Duration) -> Poll<()> {
        let turn = self.0.get_or_insert_with(|| Box::pin(sleep(turn(late))));
        turn.as_mut().poll(cx)
    }

    /// Prepares a turn for the next deadline.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_process_gets_long_turn() {
        assert_eq!(turn(Duration::ZERO), TURN);
        assert_eq!(turn(Duration::from_secs(3)), LONG_TURN);
        assert_eq!(turn(LATE), LONG_TURN);
        assert_eq!(turn(LATE - Duration::from_nanos(1)), TURN);
    }
}
