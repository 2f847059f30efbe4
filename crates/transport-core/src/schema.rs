//! The vocabulary of configuration: what a key is, and how its values are written.
//!
//! A crate that owns settings describes them as [`Key`]s and implements [`Section`] on its typed
//! struct. Whoever loads configuration composes the sections; nothing here reads a file.

mod conflicts;
mod value;

pub use conflicts::ConflictingSettings;
pub use value::{
    format_bool, format_duration, format_size, parse_bool, parse_count, parse_duration, parse_size,
    Raw, ValueError,
};

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// L: at once, on open connections too.
    Live,
    /// N: for new connections.
    New,
    /// R: after a restart.
    Restart,
}

impl Reload {
    /// `L`, `N` or `R`.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Live => "L",
            Self::New => "N",
            Self::Restart => "R",
        }
    }
}

/// How a key's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The path of a file or a directory, and its use.
    Path(PathUse),
    /// Paths of files to read, separated by commas in environment and flags.
    Paths,
}

/// How a process uses the path that a key names: what a sandbox has to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathUse {
    /// A file, or a directory of files, that is read; another may be renamed over it.
    Read,
    /// A Unix socket that is made at the start and removed at the end.
    Socket,
    /// A directory whose files are written.
    Write,
}

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted path below the table `transport`.
    pub path: &'static str,
    /// How its value is written.
    pub kind: Kind,
    /// The default as it would be written; empty for none.
    pub default: &'static str,
    /// What is allowed, in words.
    pub rule: &'static str,
    /// When a change takes effect.
    pub reload: Reload,
    /// What it does, in one sentence.
    pub doc: &'static str,
}

/// A typed group of settings with its keys.
pub trait Section {
    /// The keys, in the order they are documented.
    fn keys() -> &'static [Key];

    /// Parses and sets one value. The path is one of [`Section::keys`].
    ///
    /// # Errors
    /// When the path is not of this section, or the value is not of its kind or out of range;
    /// the setting is then unchanged.
    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError>;

    /// The value in effect, as it would be written; `None` for a path that is not of this section.
    fn get(&self, path: &str) -> Option<String>;

    /// Rules that span several keys: the path to blame, and what is wrong with it.
    fn check(&self) -> Vec<(&'static str, ValueError)> {
        Vec::new()
    }
}
