//! The text format, for humans.

use std::fmt::{self, Write};

use ron_transport::escape::escape;
use tracing::Level;

use super::entry::LogEntry;
use super::logfmt;

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// Renders an entry without colour.
pub(super) fn plain(entry: &LogEntry) -> String {
    render(entry, false)
}

/// Renders an entry with colour.
pub(super) fn coloured(entry: &LogEntry) -> String {
    render(entry, true)
}

fn render(entry: &LogEntry, coloured: bool) -> String {
    let mut line = String::with_capacity(256);
    // Writing to a string does not fail.
    let _ = write(&mut line, entry, coloured);
    line
}

fn write(line: &mut String, entry: &LogEntry, coloured: bool) -> fmt::Result {
    let (dim, reset, tint) = if coloured {
        (DIM, RESET, tint(entry.level))
    } else {
        ("", "", "")
    };
    let (at, level) = (entry.at, entry.level);
    write!(line, "{dim}{at}{reset} {tint}{level:>5}{reset}")?;
    write!(line, " {dim}{}:{reset}", entry.target)?;
    if let Some(message) = &entry.message {
        // Escaped without quotes, to stay on one line.
        write!(line, " {}", escape(message).whole())?;
    }
    for (name, field) in &entry.fields {
        write!(line, " {dim}{name}={reset}")?;
        logfmt::value(line, &field.to_string())?;
    }
    line.write_char('\n')
}

const fn tint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}
