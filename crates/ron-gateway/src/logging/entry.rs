//! A log line before rendering.

use std::borrow::Cow;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::target::TARGET;
use super::timestamp::Timestamp;

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FieldValue {
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(value) => f.write_str(value),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

/// Fields of a span or an event, in order.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields(Vec<(&'static str, FieldValue)>);

impl Fields {
    fn set(&mut self, field: &Field, value: FieldValue) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = value,
            None => self.0.push((field.name(), value)),
        }
    }

    fn take_message(&mut self) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| *name == "message")?;
        Some(self.0.remove(at).1.to_string())
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, FieldValue::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, FieldValue::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, FieldValue::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, FieldValue::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, FieldValue::Text(value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, FieldValue::Text(format!("{value:?}")));
    }
}

/// Keys of the line itself.
///
/// A field of such a name is prefixed with `field.`.
const RESERVED: &[&str] = &["ts", "level", "target", "msg"];

/// One log line.
#[derive(Debug)]
pub(super) struct LogEntry {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: Option<String>,
    /// Each name once.
    pub(super) fields: Vec<(Cow<'static, str>, FieldValue)>,
}

impl LogEntry {
    /// Joins the fields of an event with those of its spans.
    ///
    /// The innermost span comes first; a name that exists already is skipped.
    pub(super) fn new<'a>(
        metadata: &Metadata<'static>,
        mut event: Fields,
        spans: impl Iterator<Item = &'a Fields>,
    ) -> Self {
        let message = event.take_message();
        let mut all = event.0;
        for (name, value) in spans.flat_map(|span| &span.0) {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name, value.clone()));
            }
        }
        Self {
            at: Timestamp::now(),
            level: *metadata.level(),
            target: metadata.target(),
            message,
            fields: all.into_iter().map(named).collect(),
        }
    }

    /// Returns the notice of dropped lines.
    pub(super) fn dropped(lines: u64) -> Self {
        Self {
            at: Timestamp::now(),
            level: Level::WARN,
            target: TARGET,
            message: Some(
                "log lines were dropped: a write failed, or the reader was too slow".to_owned(),
            ),
            fields: vec![
                ("event".into(), FieldValue::Text("log".to_owned())),
                ("dropped".into(), FieldValue::Unsigned(lines)),
            ],
        }
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
}

fn named((name, value): (&'static str, FieldValue)) -> (Cow<'static, str>, FieldValue) {
    if RESERVED.contains(&name) {
        return (format!("field.{name}").into(), value);
    }
    (name.into(), value)
}
