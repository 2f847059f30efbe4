//! Formats of the log.

use super::entry::LogEntry;
use super::{json, logfmt, text};

/// The setting `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, otherwise logfmt.
    Auto,
    /// Text for humans.
    Text,
    /// `key=value`, for grep and programs.
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Appends an entry as a line, with its line feed.
pub(super) type RenderFn = fn(&mut String, &LogEntry<'_>);

ron_transport::schema::choice!(pub(crate) LogFormat {
    Auto: "auto",
    Text: "text",
    Logfmt: "logfmt",
    Json: "json",
});

impl LogFormat {
    pub(super) fn render(self, terminal: bool, coloured: bool) -> RenderFn {
        match self {
            Self::Auto if !terminal => logfmt::render,
            Self::Auto | Self::Text if coloured => text::coloured,
            Self::Auto | Self::Text => text::plain,
            Self::Logfmt => logfmt::render,
            Self::Json => json::render,
        }
    }
}
