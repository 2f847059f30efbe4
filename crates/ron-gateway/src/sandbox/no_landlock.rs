//! Landlock on a system without it.

use super::paths::PathGrant;

/// No ruleset.
pub(super) struct FileRules(std::convert::Infallible);

impl FileRules {
    /// Fails.
    pub(super) fn new(_grants: &[PathGrant]) -> Result<Self, String> {
        Err("it needs Linux".to_owned())
    }

    /// Never called.
    pub(super) fn restrict_thread(&self) -> Result<u32, String> {
        match self.0 {}
    }
}
