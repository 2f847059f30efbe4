//! Where a value came from.

use std::fmt;

use transport_core::escape::escape;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nothing set it.
    Default,
    /// A preset, by name: another default.
    Preset(String),
    /// A file, by path.
    File(String),
    /// An environment variable, by name.
    Env(String),
    /// A command-line flag, with its dashes.
    Flag(String),
}

impl Source {
    /// As the origin of a `config` value.
    pub(super) fn to_origin(&self) -> String {
        match self {
            // Neither is a layer of its own.
            Self::Default | Self::Preset(_) => String::new(),
            Self::File(path) => format!("file:{path}"),
            Self::Env(name) => format!("env:{name}"),
            Self::Flag(name) => format!("flag:{name}"),
        }
    }

    /// Back from [`Source::to_origin`].
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
