//! The one error of a private network: for a person who reads a failed test.

use std::fmt;

/// Why a private network is not there: one sentence, and the end of a log where that helps.
#[derive(Clone, PartialEq, Eq)]
pub struct TorNetError(String);

impl fmt::Display for TorNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it is displayed, for tests that unwrap.
impl fmt::Debug for TorNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TorNetError {}

impl TorNetError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    pub(super) fn io(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}
