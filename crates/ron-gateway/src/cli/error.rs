//! Errors of the command line.

use std::fmt;

use ron_transport::config::suggest;
use ron_transport::escape::escape;

use crate::exit::ExitFailure;

/// Longest word to show or to compare, in characters.
const MAX_SHOWN: usize = 64;

/// An error of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    /// An unknown flag or command, and the nearest known one.
    Unknown {
        what: &'static str,
        word: String,
        nearest: Option<String>,
    },
    /// A surplus positional argument.
    Surplus(String),
    /// `dial` without a target.
    NoTarget,
    /// `--echo`, `--echo-frames` and `--forward` exclude each other.
    TwoModes,
    /// `--dev-tls` in a build without TLS.
    NoTls,
    /// A flag with a missing or unexpected value.
    Value(String),
}

impl UsageError {
    pub(super) fn flag(word: &str, known: &[String]) -> Self {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Self::unknown("flag", word, &known)
    }

    pub(super) fn command(word: &str, known: &[&str]) -> Self {
        Self::unknown("command", word, known)
    }

    fn unknown(what: &'static str, word: &str, known: &[&str]) -> Self {
        let word: String = word.chars().take(MAX_SHOWN).collect();
        let nearest = suggest(&word, known.iter().copied()).map(str::to_owned);
        Self::Unknown {
            what,
            word,
            nearest,
        }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                what,
                word,
                nearest,
            } => {
                write!(f, "unknown {what} {}", escape(word))?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {nearest}?"),
                    None => Ok(()),
                }
            }
            Self::Surplus(word) => {
                let word = escape(word).quoted();
                write!(f, "unexpected argument after the command: {word}")
            }
            Self::NoTarget => f.write_str("dial needs a target such as tcp://host:port"),
            Self::TwoModes => f.write_str("--echo, --echo-frames and --forward exclude each other"),
            Self::NoTls => f.write_str("this build has no TLS: --dev-tls needs the feature `tls`"),
            Self::Value(what) => f.write_str(what),
        }
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<UsageError> for ExitFailure {
    fn from(error: UsageError) -> Self {
        Self::Config(format!("{error}\nTry `ron-gateway --help`."))
    }
}
