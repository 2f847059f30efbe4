//! The outcome of a test program's step: success, failure or skip.

/// The reason of an early end.
pub enum Stop {
    /// A check failed.
    Wrong(String),
    /// The machine cannot run the step.
    Skip(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl From<&str> for Stop {
    fn from(why: &str) -> Self {
        Self::Wrong(why.to_owned())
    }
}

/// The result of a step.
pub type Outcome = Result<(), Stop>;

/// Fails unless the condition holds.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds {
        return Ok(());
    }
    Err(Stop::Wrong(what()))
}
