//! How something ends that a harness does: well, wrong, or not at all here.

/// Why it ends early.
pub enum Stop {
    /// Something is not as it should be.
    Wrong(String),
    /// It cannot be run here.
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

/// What it returns.
pub type Outcome = Result<(), Stop>;

/// Ends it where this does not hold.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds {
        return Ok(());
    }
    Err(Stop::Wrong(what()))
}
