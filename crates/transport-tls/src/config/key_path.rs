//! The path of a private key; only [`KeyPath::get`] returns it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A path that `Debug` hides.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct KeyPath(Option<PathBuf>);

impl KeyPath {
    pub(super) const fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    pub(super) fn get(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

impl fmt::Debug for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "(set)" } else { "None" })
    }
}
