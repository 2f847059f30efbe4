//! A parsed file: tables, arrays and values as text.

use toml::de::{DeInteger, DeTable, DeValue};
use transport_core::schema::Raw;

/// A value of a file. The parser bounds its depth.
#[derive(Clone)]
pub(super) enum Node {
    /// A single value, as text.
    Text(String),
    /// An array.
    Array(Vec<Node>),
    /// A table, with unquoted names.
    Table(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn from_table(table: &DeTable<'_>) -> Vec<(String, Self)> {
        let entry = |name: &str, value| (name.to_owned(), Self::from_value(value));
        table
            .iter()
            .map(|(name, value)| entry(name.get_ref(), value.get_ref()))
            .collect()
    }

    fn from_value(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => Self::Text(integer(number)),
            DeValue::Float(number) => Self::Text(number.as_str().to_owned()),
            DeValue::Boolean(value) => Self::Text(value.to_string()),
            DeValue::Datetime(value) => Self::Text(value.to_string()),
            DeValue::Array(items) => Self::Array(
                items
                    .iter()
                    .map(|item| Self::from_value(item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(table) => Self::Table(Self::from_table(table)),
        }
    }

    /// Returns a single value or an array of single values.
    pub(super) fn raw(&self) -> Option<Raw> {
        let text = |node: &Self| match node {
            Self::Text(text) => Some(text.clone()),
            _ => None,
        };
        match self {
            Self::Text(text) => Some(Raw::Text(text.clone())),
            Self::Array(items) => items.iter().map(text).collect::<Option<_>>().map(Raw::List),
            Self::Table(_) => None,
        }
    }

    /// Adds every value below this one by dotted path.
    ///
    /// Elements of an array of tables have numbers: `routes.0.to`.
    pub(super) fn flatten(&self, path: &str, into: &mut Vec<(String, Raw)>) {
        if let Some(raw) = self.raw() {
            into.push((path.to_owned(), raw));
            return;
        }
        match self {
            Self::Text(_) => {}
            Self::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    item.flatten(&join(path, &at.to_string()), into);
                }
            }
            Self::Table(entries) => {
                for (name, value) in entries {
                    value.flatten(&join(path, name), into);
                }
            }
        }
    }
}

/// Appends a name to a path.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        return name.to_owned();
    }
    format!("{path}.{name}")
}

/// Formats an integer in decimal if it fits 128 bits.
fn integer(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |n| n.to_string())
}
