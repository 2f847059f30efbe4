//! Deadlines of the suite, and their assertions.

use std::time::Duration;

use tokio::time::Instant;
use transport_limits::Limits;

/// The deadline under test, long enough for a loaded machine.
pub(super) const SHORT: Duration = Duration::from_millis(200);
/// The shortest idle timeout that the limits accept.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// The longest time from a cancel to the end of the connection.
const CANCEL: Duration = Duration::from_millis(100);

/// Changes some of the deadlines.
pub(super) fn deadlines(limits: &mut Limits, set: impl FnOnce(&mut transport_limits::Deadlines)) {
    let mut deadlines = limits.deadlines();
    set(&mut deadlines);
    limits.set_deadlines(deadlines).unwrap();
}

/// Measures elapsed time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Asserts a duration between the deadline and ten times that.
    pub(super) fn assert_took(self, deadline: Duration) {
        let took = self.elapsed();
        assert!(
            took >= deadline,
            "after {took:?}, before the deadline of {deadline:?}"
        );
        assert!(
            took <= deadline * 10,
            "only after {took:?}; the deadline was {deadline:?}"
        );
    }
}

/// Asserts that cancellations are prompt.
///
/// A busy machine may delay any one wake-up, so the quickest of a few counts.
pub(super) fn assert_cancelled_at_once(took: &[Duration]) {
    let quickest = took.iter().min().unwrap();
    assert!(*quickest <= CANCEL, "cancelling took {took:?}");
    assert!(
        took.iter().all(|took| *took <= CANCEL * 10),
        "cancelling took {took:?}"
    );
}
