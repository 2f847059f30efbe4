//! The error of a private network.

use std::fmt;

/// An error sentence, with the end of a log where one exists.
#[derive(Clone, PartialEq, Eq)]
pub struct TorNetError(String);

impl fmt::Display for TorNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Equal to `Display`, for tests that unwrap.
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
