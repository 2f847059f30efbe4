//! The logfmt format.
//!
//! A value is plain or a JSON string, so that no value can imitate another field or line, and
//! decoders such as go-logfmt accept each line.

use std::fmt::{self, Write};

use ron_transport::escape::escape;

use super::entry::LogEntry;

/// Renders an entry as one line.
pub(super) fn render(entry: &LogEntry) -> String {
    let mut line = String::with_capacity(256);
    // Writing to a string does not fail.
    let _ = write(&mut line, entry);
    line
}

fn write(line: &mut String, entry: &LogEntry) -> fmt::Result {
    let (at, level) = (entry.at, entry.level_name());
    write!(line, "ts={at} level={level} target=")?;
    value(line, entry.target)?;
    if let Some(message) = &entry.message {
        line.write_str(" msg=")?;
        value(line, message)?;
    }
    for (name, field) in &entry.fields {
        line.write_char(' ')?;
        key(line, name)?;
        line.write_char('=')?;
        value(line, &field.to_string())?;
    }
    line.write_char('\n')
}

/// Writes a key, with `_` for each character that ends one.
///
/// Dependencies choose the names of their fields.
fn key(line: &mut String, name: &str) -> fmt::Result {
    if name.is_empty() {
        return line.write_char('_');
    }
    let fit = |c| if is_plain(c) { c } else { '_' };
    name.chars().try_for_each(|c| line.write_char(fit(c)))
}

/// Writes a plain value, or an escaped JSON string.
pub(super) fn value(line: &mut String, text: &str) -> fmt::Result {
    if !text.is_empty() && text.chars().all(is_plain) {
        return line.write_str(text);
    }
    write!(line, "{}", escape(text).quoted().whole())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\')
}

#[cfg(test)]
mod tests;
