//! Formats of the log.

use ron_transport::core::schema::ValueError;

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

/// Renders an entry as a line, with its line feed.
pub(super) type RenderFn = fn(&LogEntry) -> String;

impl LogFormat {
    const ALL: [Self; 4] = [Self::Auto, Self::Text, Self::Logfmt, Self::Json];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Logfmt => "logfmt",
            Self::Json => "json",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ValueError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| ValueError::new("no such format"))
    }

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
