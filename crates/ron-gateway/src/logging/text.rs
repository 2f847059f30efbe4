//! The text format, for humans.

use std::fmt::{self, Write};

use ron_transport::escape::escape;
use tracing::Level;

use super::entry::{FieldValue, LogEntry};
use super::logfmt;

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// Appends an entry without colour.
pub(super) fn plain(line: &mut String, entry: &LogEntry<'_>) {
    // Writing to a string does not fail.
    let _ = write(line, entry, false);
}

/// Appends an entry with colour.
pub(super) fn coloured(line: &mut String, entry: &LogEntry<'_>) {
    let _ = write(line, entry, true);
}

fn write(line: &mut String, entry: &LogEntry<'_>, coloured: bool) -> fmt::Result {
    let (dim, reset, tint) = if coloured {
        (DIM, RESET, tint(entry.level))
    } else {
        ("", "", "")
    };
    let (at, level) = (entry.at, entry.level);
    write!(line, "{dim}{at}{reset} {tint}{level:>5}{reset}")?;
    write!(line, " {dim}{}:{reset}", entry.target)?;
    match entry.message() {
        // Escaped without quotes, to stay on one line.
        Some(FieldValue::Text(message)) => write!(line, " {}", escape(message).whole())?,
        Some(other) => {
            line.push(' ');
            logfmt::value(line, other)?;
        }
        None => {}
    }
    for (prefix, name, field) in entry.fields() {
        write!(line, " {dim}{prefix}{name}={reset}")?;
        logfmt::value(line, field)?;
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
