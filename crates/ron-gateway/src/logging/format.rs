//! The forms of the log.

use super::record::Entry;
use super::{json, logfmt, text};

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text on a terminal, else logfmt.
    Auto,
    /// For people.
    Text,
    /// `key=value`, for grep and for machines.
    Logfmt,
    /// One object a line.
    Json,
}

/// Turns an entry into its line, with the line's end.
pub(super) type Render = fn(&Entry) -> String;

ron_transport::core::choice!(pub(crate) Format {
    Auto: "auto",
    Text: "text",
    Logfmt: "logfmt",
    Json: "json",
});

impl Format {
    pub(super) fn render(self, terminal: bool, coloured: bool) -> Render {
        match self {
            Self::Auto if !terminal => logfmt::render,
            Self::Auto | Self::Text if coloured => text::coloured,
            Self::Auto | Self::Text => text::plain,
            Self::Logfmt => logfmt::render,
            Self::Json => json::render,
        }
    }
}
