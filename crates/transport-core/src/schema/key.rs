//! Configuration keys and their properties.

use super::choice::enumerate;

/// The point at which a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // The manual explains these three letters.
pub enum Reload {
    /// L: at once, on open connections too.
    Live,
    /// N: for new connections.
    New,
    /// R: after a restart.
    Restart,
}

impl Reload {
    /// Returns `L`, `N` or `R`.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Live => "L",
            Self::New => "N",
            Self::Restart => "R",
        }
    }
}

/// The written form of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `on`, `off`, `true`, `false`.
    Bool,
    /// A whole number.
    Count,
    /// `250ms`, `5s`, `2m`.
    Duration,
    /// `64KiB`, `8MiB` or bytes.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Free text or an address.
    Text,
    /// Texts, separated by commas in environment and flags.
    List,
    /// The path of a file or directory.
    Path(PathUse),
    /// Paths of files to read, separated by commas in environment and flags.
    Paths,
}

/// The access that a process needs to a configured path.
///
/// A sandbox grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // A sandbox must grant each of them.
pub enum PathUse {
    /// Reads a file, or the files of a directory. Another file may be renamed over it.
    Read,
    /// Creates a Unix socket at startup and removes it at the end.
    Socket,
    /// Writes the files of a directory.
    Write,
}

/// A configuration key.
///
/// ```
/// use transport_core::schema::{Key, Kind, Reload};
///
/// const KEY: Key = Key::new("max_conns", Kind::Count, Reload::Live)
///     .allows("at least 1")
///     .doc("Accepted connections at a time.");
/// assert_eq!(KEY.allowed(), "at least 1");
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Key {
    /// Dotted path below the section's table.
    pub path: &'static str,
    /// The written form of its value.
    pub kind: Kind,
    /// The point at which a change takes effect.
    pub reload: Reload,
    /// Its purpose, in one sentence.
    pub doc: &'static str,
    allowed: &'static str,
}

impl Key {
    /// Creates a key without a description.
    #[must_use]
    pub const fn new(path: &'static str, kind: Kind, reload: Reload) -> Self {
        Self {
            path,
            kind,
            reload,
            doc: "",
            allowed: "",
        }
    }

    /// Describes the allowed values, for the manual and for error texts.
    ///
    /// Booleans and choices need no description.
    #[must_use]
    pub const fn allows(mut self, values: &'static str) -> Self {
        self.allowed = values;
        self
    }

    /// Describes the purpose in one sentence, for the manual.
    #[must_use]
    pub const fn doc(mut self, sentence: &'static str) -> Self {
        self.doc = sentence;
        self
    }

    /// Returns the description of the allowed values.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            _ if !self.allowed.is_empty() => self.allowed.to_owned(),
            Kind::Bool => "on or off".to_owned(),
            Kind::Choice(words) => enumerate(words),
            _ => String::new(),
        }
    }
}
