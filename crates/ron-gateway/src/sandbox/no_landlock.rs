//! Landlock, where the system has none.

use super::paths::Grant;

/// No ruleset.
pub(super) struct Files(std::convert::Infallible);

impl Files {
    /// Fails.
    pub(super) fn new(_grants: &[Grant]) -> Result<Self, String> {
        Err("it needs Linux".to_owned())
    }

    /// Never called.
    pub(super) fn restrict_thread(&self) -> Result<u32, String> {
        match self.0 {}
    }
}
