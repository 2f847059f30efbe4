//! Sources of values.

use std::fmt;

use transport_core::escape::escape;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The default of the key.
    Default,
    /// A preset, by name.
    Preset(String),
    /// A file, by path.
    File(String),
    /// An environment variable, by name.
    Env(String),
    /// A command-line flag, with its dashes.
    Flag(String),
}

impl Source {
    /// Returns the origin text of a `config` value.
    pub(super) fn to_origin(&self) -> String {
        match self {
            // Defaults and presets are not layers.
            Self::Default | Self::Preset(_) => String::new(),
            Self::File(path) => format!("file:{path}"),
            Self::Env(name) => format!("env:{name}"),
            Self::Flag(name) => format!("flag:{name}"),
        }
    }

    /// Parses the text of [`Source::to_origin`].
    pub(super) fn from_origin(origin: &str) -> Self {
        match origin.split_once(':') {
            Some(("file", path)) => Self::File(path.to_owned()),
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("flag", name)) => Self::Flag(name.to_owned()),
            _ => Self::Default,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "preset {}", escape(name).whole()),
            Self::File(path) => write!(f, "file {}", escape(path).whole()),
            Self::Env(name) => write!(f, "environment {}", escape(name).whole()),
            Self::Flag(name) => write!(f, "flag {}", escape(name).whole()),
        }
    }
}
