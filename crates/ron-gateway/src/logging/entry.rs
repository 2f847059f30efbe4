//! A log line before rendering.
//!
//! The buffers of a line are reused, so that a line allocates no memory.

use std::fmt::{self, Write};
use std::ops::Range;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::target::TARGET;
use super::timestamp::Timestamp;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FieldValue<'a> {
    Text(&'a str),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// A value whose text is a part of a buffer.
#[derive(Debug, Clone)]
enum StoredValue {
    Text(Range<usize>),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// Fields of a span or an event, in order, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: Vec<(&'static str, StoredValue)>,
    /// The texts of all values.
    text: String,
}

/// The field of an event's sentence.
const MESSAGE: &str = "message";

impl Fields {
    /// Removes all fields, and keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.text.clear();
    }

    /// Adds the fields of a span, except names that exist already.
    pub(super) fn inherit(&mut self, span: &Self) {
        for (name, value) in span.iter() {
            if !self.fields.iter().any(|(known, _)| *known == name) {
                self.put(name, value);
            }
        }
    }

    /// Sets a field.
    pub(super) fn put(&mut self, name: &'static str, value: FieldValue<'_>) {
        let value = match value {
            FieldValue::Text(text) => self.store(|all| all.push_str(text)),
            FieldValue::Unsigned(value) => StoredValue::Unsigned(value),
            FieldValue::Signed(value) => StoredValue::Signed(value),
            FieldValue::Float(value) => StoredValue::Float(value),
            FieldValue::Bool(value) => StoredValue::Bool(value),
        };
        self.set(name, value);
    }

    fn store(&mut self, write: impl FnOnce(&mut String)) -> StoredValue {
        let start = self.text.len();
        write(&mut self.text);
        StoredValue::Text(start..self.text.len())
    }

    fn set(&mut self, name: &'static str, value: StoredValue) {
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, FieldValue<'_>)> {
        self.fields.iter().map(|(name, value)| {
            let value = match value {
                StoredValue::Text(range) => FieldValue::Text(&self.text[range.clone()]),
                StoredValue::Unsigned(value) => FieldValue::Unsigned(*value),
                StoredValue::Signed(value) => FieldValue::Signed(*value),
                StoredValue::Float(value) => FieldValue::Float(*value),
                StoredValue::Bool(value) => FieldValue::Bool(*value),
            };
            (*name, value)
        })
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), FieldValue::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), FieldValue::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), FieldValue::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), FieldValue::Text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = self.store(|all| {
            // Writing to a string does not fail; a value that fails is cut.
            let _ = write!(all, "{value:?}");
        });
        self.set(field.name(), value);
    }
}

/// Keys of the line itself.
///
/// A field of such a name is prefixed with [`PREFIX`].
const RESERVED: &[&str] = &["ts", "level", "target", "msg"];
const PREFIX: &str = "field.";

/// One log line.
#[derive(Debug)]
pub(super) struct LogEntry<'a> {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'a str,
    fields: &'a Fields,
}

impl<'a> LogEntry<'a> {
    pub(super) fn new(metadata: &Metadata<'static>, fields: &'a Fields) -> Self {
        Self {
            at: Timestamp::now(),
            level: *metadata.level(),
            target: metadata.target(),
            fields,
        }
    }

    /// Sets the fields of the notice of dropped lines, and returns it.
    pub(super) fn dropped(lines: u64, fields: &'a mut Fields) -> Self {
        let message = "log lines were dropped: a write failed, or the reader was too slow";
        fields.put(MESSAGE, FieldValue::Text(message));
        fields.put("event", FieldValue::Text("log"));
        fields.put("dropped", FieldValue::Unsigned(lines));
        Self {
            at: Timestamp::now(),
            level: Level::WARN,
            target: TARGET,
            fields,
        }
    }

    /// Returns the sentence of the event.
    pub(super) fn message(&self) -> Option<FieldValue<'a>> {
        let fields = self.fields;
        let message = fields.iter().find(|(name, _)| *name == MESSAGE);
        message.map(|(_, message)| message)
    }

    /// Returns the other fields: prefix of a reserved name, name, value.
    pub(super) fn fields(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, FieldValue<'a>)> {
        let fields = self.fields;
        let others = fields.iter().filter(|(name, _)| *name != MESSAGE);
        others.map(|(name, value)| {
            let prefix = if RESERVED.contains(&name) { PREFIX } else { "" };
            (prefix, name, value)
        })
    }

    pub(super) fn level_name(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }

    /// Creates an entry of these fields for a test.
    #[cfg(test)]
    pub(super) fn of(target: &'a str, fields: &'a Fields) -> Self {
        Self {
            at: Timestamp::now(),
            level: Level::INFO,
            target,
            fields,
        }
    }
}
