//! The activity of a connection, and whether it is idle.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicU8, Ordering};

use transport_core::Direction;

use crate::clock::SECOND;

/// A raw connection may be idle after this long without a byte.
const QUIET: u64 = SECOND;
/// A sender may pause this many times its longest pause so far.
const PATIENCE: u64 = 2;

/// The clocks and flags that decide whether a connection is idle.
///
/// Loads and stores are relaxed: no word depends on another.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The tick of the last byte in either direction.
    at: AtomicU64,
    /// The direction of the last byte: its discriminant plus one, or 0.
    last: AtomicU8,
    /// The longest pause between two bytes of the same direction, in ticks.
    pause: AtomicU64,
    /// Directions that have ended in order.
    ended: [AtomicBool; 2],
    /// Whether a write waits for the peer.
    pub(crate) writing: AtomicBool,
    /// The deadline of a waiting write. A dropped write does not wait past it.
    write_ends: AtomicU64,
    /// Live guards of [`Control::busy`](crate::Control::busy).
    pub(crate) busy: AtomicU32,
    pub(crate) framed: AtomicBool,
    pub(crate) partial_frame: AtomicBool,
    pub(crate) inbox_frames: AtomicU32,
    /// Complete frames in, less queued frames out.
    frames_in_more: AtomicI64,
}

impl Activity {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            at: AtomicU64::new(now),
            last: AtomicU8::new(0),
            pause: AtomicU64::new(0),
            ended: Default::default(),
            writing: AtomicBool::new(false),
            write_ends: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            framed: AtomicBool::new(false),
            partial_frame: AtomicBool::new(false),
            inbox_frames: AtomicU32::new(0),
            frames_in_more: AtomicI64::new(0),
        }
    }

    /// Returns the tick of the last byte.
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Returns the tick from which the connection has been silent.
    ///
    /// A write that waits for the peer counts as activity, up to its own deadline.
    pub(crate) fn silent_since(&self) -> u64 {
        self.at().max(self.write_ends.load(Ordering::Relaxed))
    }

    /// Notes that a write waits for the peer until that tick.
    pub(crate) fn write_waits(&self, until: u64) {
        self.writing.store(true, Ordering::Relaxed);
        self.write_ends.store(until, Ordering::Relaxed);
    }

    /// Notes that no write waits for the peer any longer.
    pub(crate) fn write_done(&self) {
        if self.writing.load(Ordering::Relaxed) {
            self.writing.store(false, Ordering::Relaxed);
            self.write_ends.store(0, Ordering::Relaxed);
        }
    }

    /// Notes moved bytes.
    pub(crate) fn moved(&self, direction: Direction, now: u64) {
        let before = self.at.fetch_max(now, Ordering::Relaxed);
        let word = direction as u8 + 1;
        if self.last.load(Ordering::Relaxed) != word {
            self.last.store(word, Ordering::Relaxed);
        } else if now.saturating_sub(before) > self.pause.load(Ordering::Relaxed) {
            self.pause.store(now - before, Ordering::Relaxed);
        }
    }

    /// Moves the clock forward to now, as a moved byte does.
    pub(crate) fn touch(&self, now: u64) {
        self.at.fetch_max(now, Ordering::Relaxed);
    }

    /// Moves the clock by a standstill of `by` ticks, never past now.
    pub(crate) fn shift(&self, by: u64, now: u64) {
        let shifted = |at: u64| Some(at.saturating_add(by).min(now));
        let _ = self
            .at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, shifted);
    }

    /// Notes that a direction has ended in order.
    pub(crate) fn end(&self, direction: Direction) {
        self.ended[direction as usize].store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self, direction: Direction) -> bool {
        self.ended[direction as usize].load(Ordering::Relaxed)
    }

    /// Returns whether one direction has ended.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.has_ended(Direction::In) || self.has_ended(Direction::Out)
    }

    /// Returns whether both directions have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended(Direction::In) && self.has_ended(Direction::Out)
    }

    /// Notes a complete frame that arrived, or that was queued.
    pub(crate) fn frame(&self, direction: Direction) {
        let more = match direction {
            Direction::In => 1,
            Direction::Out => -1,
        };
        self.frames_in_more.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) != 0
    }

    /// Returns whether no answer is owed and nothing is in flight.
    ///
    /// The peer asks and this side answers on an accepted connection, and the other way round on a
    /// dialed one.
    pub(crate) fn is_idle(&self, accepted: bool, now: u64) -> bool {
        let (asks, answers) = if accepted {
            (Direction::In, Direction::Out)
        } else {
            (Direction::Out, Direction::In)
        };
        if self.is_busy() || self.writing.load(Ordering::Relaxed) || self.has_ended(asks) {
            return false;
        }
        let last = self.last.load(Ordering::Relaxed);
        let spoke_last = last == answers as u8 + 1 || self.has_ended(answers);
        let quiet = now.saturating_sub(self.at());
        if self.framed.load(Ordering::Relaxed) {
            let in_more = self.frames_in_more.load(Ordering::Relaxed);
            let unanswered = if accepted { in_more } else { -in_more };
            let open = self.partial_frame.load(Ordering::Relaxed)
                || self.inbox_frames.load(Ordering::Relaxed) != 0;
            let answered = spoke_last && unanswered <= 0;
            return !open && (answered || last == 0 && quiet >= QUIET);
        }
        // The sender may pause a little longer than it did before.
        let pause = self.pause.load(Ordering::Relaxed);
        let patience = QUIET.max(pause.saturating_mul(PATIENCE));
        (spoke_last || last == 0) && quiet >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_connection_waits_for_answer() {
        let activity = Activity::new(0);
        assert!(!activity.is_idle(true, QUIET - 1));
        assert!(activity.is_idle(true, QUIET), "no byte has moved");
        activity.moved(Direction::In, QUIET);
        assert!(!activity.is_idle(true, 100 * QUIET), "an answer is owed");
        activity.moved(Direction::Out, 100 * QUIET);
        assert!(!activity.is_idle(true, 101 * QUIET - 1));
        assert!(activity.is_idle(true, 101 * QUIET));
        assert!(!activity.is_idle(false, 200 * QUIET), "seen as dialed");
    }

    #[test]
    fn longest_pause_extends_idle_wait() {
        let activity = Activity::new(0);
        activity.moved(Direction::In, 1);
        activity.moved(Direction::Out, 2);
        activity.moved(Direction::Out, 2 + 3 * QUIET);
        assert!(!activity.is_idle(true, 8 * QUIET));
        assert!(activity.is_idle(true, 2 + 9 * QUIET));
    }

    #[test]
    fn open_work_not_idle() {
        let later = 1000 * QUIET;
        let idle = || {
            let activity = Activity::new(0);
            activity.moved(Direction::Out, 1);
            assert!(activity.is_idle(true, later));
            activity
        };
        let activity = idle();
        activity.busy.store(1, Ordering::Relaxed);
        assert!(!activity.is_idle(true, later));
        let activity = idle();
        activity.writing.store(true, Ordering::Relaxed);
        assert!(!activity.is_idle(true, later));
        let activity = idle();
        activity.end(Direction::In);
        assert!(!activity.is_idle(true, later), "the question is complete");
        assert!(activity.is_half_closed() && !activity.is_over());
        let activity = idle();
        activity.moved(Direction::In, 2);
        activity.end(Direction::Out);
        assert!(activity.is_idle(true, later), "the answer is complete");
    }

    #[test]
    fn framed_connection_waits_for_all_answers() {
        let activity = Activity::new(0);
        activity.framed.store(true, Ordering::Relaxed);
        assert!(!activity.is_idle(true, QUIET - 1));
        assert!(activity.is_idle(true, QUIET), "no frame has moved");
        for _ in 0..2 {
            activity.moved(Direction::In, 5);
            activity.frame(Direction::In);
        }
        activity.frame(Direction::Out);
        activity.moved(Direction::Out, 6);
        assert!(!activity.is_idle(true, 100 * QUIET), "one answer is owed");
        activity.frame(Direction::Out);
        assert!(activity.is_idle(true, 6), "every frame is answered");
        activity.partial_frame.store(true, Ordering::Relaxed);
        assert!(!activity.is_idle(true, 100 * QUIET));
        activity.partial_frame.store(false, Ordering::Relaxed);
        activity.inbox_frames.store(1, Ordering::Relaxed);
        assert!(!activity.is_idle(true, 100 * QUIET));
    }

    #[test]
    fn dialed_framed_connection_awaits_answers() {
        let activity = Activity::new(0);
        activity.framed.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            activity.frame(Direction::Out);
            activity.moved(Direction::Out, 5);
        }
        activity.moved(Direction::In, 6);
        activity.frame(Direction::In);
        assert!(!activity.is_idle(false, 100 * QUIET), "one answer is due");
        activity.frame(Direction::In);
        assert!(activity.is_idle(false, 6));
    }

    #[test]
    fn finished_write_is_no_activity() {
        let activity = Activity::new(5);
        activity.write_waits(90);
        assert_eq!(activity.silent_since(), 90);
        activity.write_done();
        assert_eq!(activity.silent_since(), 5);
        assert!(activity.is_idle(true, 5 + QUIET), "no write waits");
    }

    #[test]
    fn standstill_shifts_clock_up_to_now() {
        let activity = Activity::new(5);
        activity.shift(10, 100);
        assert_eq!(activity.at(), 15);
        activity.shift(10, 20);
        assert_eq!(activity.at(), 20);
    }

    #[test]
    fn over_after_both_ends() {
        let activity = Activity::new(0);
        assert!(!activity.is_half_closed());
        for (direction, is_over) in [(Direction::Out, false), (Direction::In, true)] {
            activity.end(direction);
            assert!(activity.is_half_closed());
            assert_eq!(activity.is_over(), is_over);
        }
    }
}
