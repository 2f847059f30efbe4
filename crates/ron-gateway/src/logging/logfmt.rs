//! The logfmt format.
//!
//! A value is plain or a JSON string, so that no value can imitate another field or line, and
//! decoders such as go-logfmt accept each line.

use std::fmt::{self, Write};

use ron_transport::escape::escape;

use super::entry::{FieldValue, LogEntry};

/// Appends an entry as one line.
pub(super) fn render(line: &mut String, entry: &LogEntry<'_>) {
    // Writing to a string does not fail.
    let _ = write(line, entry);
}

fn write(line: &mut String, entry: &LogEntry<'_>) -> fmt::Result {
    line.push_str("ts=");
    entry.at.push(line);
    line.push_str(" level=");
    line.push_str(entry.level_name());
    line.push_str(" target=");
    text(line, entry.target)?;
    if let Some(message) = entry.message() {
        line.push_str(" msg=");
        value(line, message)?;
    }
    for (prefix, name, field) in entry.fields() {
        line.push(' ');
        line.push_str(prefix);
        key(line, name)?;
        line.push('=');
        value(line, field)?;
    }
    line.push('\n');
    Ok(())
}

/// Writes a key, with `_` for each character that ends one.
///
/// Dependencies choose the names of their fields.
fn key(line: &mut String, name: &str) -> fmt::Result {
    if name.is_empty() {
        return line.write_char('_');
    }
    if name.bytes().all(is_plain_byte) {
        return line.write_str(name);
    }
    let fit = |c| if is_plain(c) { c } else { '_' };
    name.chars().try_for_each(|c| line.write_char(fit(c)))
}

/// Writes a value.
pub(super) fn value(line: &mut String, value: FieldValue<'_>) -> fmt::Result {
    match value {
        FieldValue::Text(value) => text(line, value),
        FieldValue::Unsigned(value) => write!(line, "{value}"),
        FieldValue::Signed(value) => write!(line, "{value}"),
        FieldValue::Float(value) => write!(line, "{value}"),
        FieldValue::Bool(value) => write!(line, "{value}"),
    }
}

/// Writes a plain text, or an escaped JSON string.
fn text(line: &mut String, text: &str) -> fmt::Result {
    if !text.is_empty() && text.bytes().all(is_plain_byte) {
        return line.write_str(text);
    }
    write!(line, "{}", escape(text).quoted().whole())
}

fn is_plain(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_plain_byte)
}

const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\')
}

#[cfg(test)]
mod tests;
