//! The bounded queue of rendered lines.
//!
//! Lines are appended to one buffer, and the writing thread takes all of them at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

/// Most queued lines.
pub(super) const QUEUE: usize = 8192;
/// Most queued bytes.
const QUEUE_BYTES: usize = 4 << 20;
/// The writing thread is woken early at this many lines.
const HURRY: usize = QUEUE / 4;
/// Capacity of an emptied buffer that is kept.
const KEPT_BYTES: usize = 256 << 10;

/// Lines that wait for the writing thread.
#[derive(Debug, Default)]
pub(super) struct LineQueue {
    lines: Mutex<QueuedLines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueuedLines {
    bytes: String,
    count: usize,
    /// Whether the writing thread waits for the first line.
    is_idle: bool,
    /// Whether the writing thread ends once the queue is empty.
    is_closing: bool,
    /// Whether the writing thread has ended: lines are discarded.
    is_ended: bool,
}

/// The next step of the writing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueState {
    Open,
    /// No further line comes.
    Closing,
}

impl LineQueue {
    /// Appends a line; returns whether there was room.
    ///
    /// After the end of the writing thread it discards lines, which are not lost by the queue.
    pub(super) fn push(&self, line: &str) -> bool {
        let mut lines = self.lock();
        if lines.is_ended {
            return true;
        }
        if lines.count >= QUEUE || lines.bytes.len() + line.len() > QUEUE_BYTES {
            return false;
        }
        lines.bytes.push_str(line);
        lines.count += 1;
        // A wake-up costs more than the line: the thread waits only for the first one.
        let wakes = std::mem::take(&mut lines.is_idle) || lines.count == HURRY;
        drop(lines);
        if wakes {
            self.changed.notify_all();
        }
        true
    }

    /// Waits for lines, and swaps them with an empty buffer.
    ///
    /// Returns without lines when the queue closes, or after `at_most`.
    pub(super) fn take(&self, into: &mut String, at_most: Option<Duration>) -> QueueState {
        let until = at_most.map(|wait| Instant::now() + wait);
        let mut lines = self.lock();
        while lines.count == 0 && !lines.is_closing {
            lines.is_idle = true;
            lines = match until {
                None => self
                    .changed
                    .wait(lines)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.changed.wait_timeout(lines, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        lines.is_idle = false;
        lines.count = 0;
        into.clear();
        if into.capacity() > KEPT_BYTES {
            *into = String::new();
        }
        std::mem::swap(&mut lines.bytes, into);
        if lines.is_closing {
            QueueState::Closing
        } else {
            QueueState::Open
        }
    }

    /// Waits while further lines gather, for `pause` at most.
    ///
    /// It returns early if the queue fills or closes.
    pub(super) fn gather(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut lines = self.lock();
        while lines.count < HURRY && !lines.is_closing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the writing thread once it has taken every line.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_all();
    }

    /// Discards all lines from now on: no thread writes them.
    pub(super) fn end(&self) {
        let mut lines = self.lock();
        lines.is_ended = true;
        (lines.bytes, lines.count) = (String::new(), 0);
    }

    /// Locks the queue to copy a line, or to swap its buffer.
    fn lock(&self) -> MutexGuard<'_, QueuedLines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_at_once_in_order() {
        let (queue, mut taken) = (LineQueue::default(), String::new());
        for line in ["a\n", "b\n", "c\n"] {
            assert!(queue.push(line));
        }
        assert_eq!(queue.take(&mut taken, None), QueueState::Open);
        assert_eq!(taken, "a\nb\nc\n");
        queue.push("d\n");
        queue.close();
        assert_eq!(queue.take(&mut taken, None), QueueState::Closing);
        assert_eq!(taken, "d\n");
    }

    #[test]
    fn full_queue_takes_no_line() {
        let (queue, mut taken) = (LineQueue::default(), String::new());
        assert!((0..QUEUE).all(|_| queue.push("x\n")));
        assert!(!queue.push("x\n"));
        queue.take(&mut taken, None);
        assert_eq!(taken.len(), 2 * QUEUE);
        let half = "y".repeat(QUEUE_BYTES / 2);
        assert!(queue.push(&half) && queue.push(&half));
        assert!(!queue.push("x\n"), "the bytes are bounded too");
    }

    #[test]
    fn ended_queue_discards_lines() {
        let (queue, mut taken) = (LineQueue::default(), String::new());
        queue.end();
        assert!(queue.push("x\n"));
        queue.take(&mut taken, Some(Duration::ZERO));
        assert_eq!(taken, "");
    }
}
