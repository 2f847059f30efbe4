//! Deadlines of the suite, and how they are judged.

use std::time::Duration;

use tokio::time::Instant;
use transport_limits::Limits;

/// The deadline under test: long enough for a loaded machine, short enough to wait for.
pub(super) const SHORT: Duration = Duration::from_millis(200);
/// The shortest idle timeout that may be set.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// A cancelled connection has stopped within this.
const CANCEL: Duration = Duration::from_millis(100);

/// Sets one deadline or more.
pub(super) fn deadlines(limits: &mut Limits, set: impl FnOnce(&mut transport_limits::Deadlines)) {
    let mut deadlines = limits.deadlines();
    set(&mut deadlines);
    limits.set_deadlines(deadlines).unwrap();
}

/// Measures how long something took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch(Instant);

impl Watch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// It took at least the deadline, exactly, and no more than ten times that.
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

/// A busy machine may delay any one wake-up: of a few cancellations the quickest shows what the
/// transport itself needs.
pub(super) fn assert_cancelled_at_once(took: &[Duration]) {
    let quickest = took.iter().min().unwrap();
    assert!(*quickest <= CANCEL, "cancelling took {took:?}");
    assert!(
        took.iter().all(|took| *took <= CANCEL * 10),
        "cancelling took {took:?}"
    );
}
