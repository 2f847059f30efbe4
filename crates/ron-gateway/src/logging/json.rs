//! The JSON format: one object per line.

use std::fmt::Write;

use ron_transport::escape::{is_safe, write_escape};
use serde_json::Value as Json;

use super::entry::{FieldValue, LogEntry};

/// Appends an entry as one line.
pub(super) fn render(line: &mut String, entry: &LogEntry<'_>) {
    line.push_str("{\"ts\":\"");
    entry.at.push(line);
    line.push_str("\",\"level\":\"");
    line.push_str(entry.level_name());
    line.push_str("\",\"target\":");
    text(line, "", entry.target);
    if let Some(message) = entry.message() {
        line.push_str(",\"msg\":");
        value(line, message);
    }
    for (prefix, name, field) in entry.fields() {
        line.push(',');
        text(line, prefix, name);
        line.push(':');
        value(line, field);
    }
    line.push_str("}\n");
}

fn value(line: &mut String, value: FieldValue<'_>) {
    // Writing to a string does not fail.
    let _ = match value {
        FieldValue::Text(value) => {
            text(line, "", value);
            Ok(())
        }
        FieldValue::Unsigned(value) => write!(line, "{value}"),
        FieldValue::Signed(value) => write!(line, "{value}"),
        FieldValue::Float(value) => {
            // JSON has neither infinities nor NaN.
            push(line, &value.into());
            Ok(())
        }
        FieldValue::Bool(value) => write!(line, "{value}"),
    };
}

/// Appends a string.
fn text(line: &mut String, prefix: &str, text: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(is_plain) {
        line.extend(["\"", prefix, text, "\""]);
    } else {
        push(line, &format!("{prefix}{text}").into());
    }
}

/// Appends JSON, and escapes control and format characters.
///
/// JSON permits those above U+001F, which a terminal may interpret.
fn push(line: &mut String, value: &Json) {
    for c in value.to_string().chars() {
        if is_safe(c) {
            line.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write_escape(line, c);
        }
    }
}
