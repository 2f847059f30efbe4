//! The JSON format: one object per line.

use ron_transport::escape::{is_safe, write_escape};
use serde_json::Value as Json;

use super::entry::{FieldValue, LogEntry};

/// Renders an entry as one line.
pub(super) fn render(entry: &LogEntry) -> String {
    let mut line = String::with_capacity(256);
    let mut member = |name: &str, value: Json| {
        line.push(if line.is_empty() { '{' } else { ',' });
        push(&mut line, &Json::from(name));
        line.push(':');
        push(&mut line, &value);
    };
    member("ts", entry.at.to_string().into());
    member("level", entry.level_name().into());
    member("target", entry.target.into());
    if let Some(message) = &entry.message {
        member("msg", message.as_str().into());
    }
    for (name, value) in &entry.fields {
        member(name, json(value));
    }
    line.push_str("}\n");
    line
}

fn json(value: &FieldValue) -> Json {
    match value {
        FieldValue::Text(value) => value.as_str().into(),
        FieldValue::Unsigned(value) => (*value).into(),
        FieldValue::Signed(value) => (*value).into(),
        FieldValue::Float(value) => (*value).into(),
        FieldValue::Bool(value) => (*value).into(),
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
