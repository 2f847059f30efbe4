//! A layer of values, and the merge of layers.
//!
//! The `config` crate reads the top-level keys of a source as path expressions (`a.b`, `a[3]`) and
//! all other keys literally. A layer therefore stores its values flat, below one fixed name.

use std::collections::HashMap;
use std::fmt;

use ::config::{Map, Value, ValueKind};
use transport_core::schema::Raw;

use super::Source;

/// The name below which a layer stores its values.
const ROOT: &str = "values";

/// The values that one source sets in one table, by path.
#[derive(Clone, Default)]
pub(super) struct Layer(Vec<(String, Raw, Source)>);

impl Layer {
    /// Sets a path; a later value replaces an earlier one.
    pub(super) fn set(&mut self, path: impl Into<String>, value: Raw, source: Source) {
        self.0.push((path.into(), value, source));
    }

    /// Returns each path with its source.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.0
            .iter()
            .map(|(path, _, source)| (path.as_str(), source))
    }
}

/// Hides the values, since some are secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(path, ..)| path))
            .finish()
    }
}

impl ::config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn ::config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        let value = |raw: &Raw, source: &Source| {
            let origin = source.to_origin();
            let kind = match raw {
                Raw::Text(text) => ValueKind::from(text.clone()),
                Raw::List(items) => ValueKind::from(items.clone()),
            };
            Value::new(Some(&origin), kind)
        };
        let values: Map<String, Value> = self
            .0
            .iter()
            .map(|(path, raw, source)| (path.clone(), value(raw, source)))
            .collect();
        Ok(Map::from_iter([(ROOT.to_owned(), Value::from(values))]))
    }
}

/// Merges layers; a later layer overrides an earlier one.
pub(super) fn merge(
    layers: Vec<Layer>,
) -> Result<HashMap<String, (Raw, Source)>, ::config::ConfigError> {
    let mut builder = ::config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    let mut root = builder.build()?.cache.into_table()?;
    let Some(values) = root.remove(ROOT) else {
        return Ok(HashMap::new());
    };
    let mut merged = HashMap::new();
    for (path, value) in values.into_table()? {
        let source = Source::from_origin(value.origin().unwrap_or_default());
        let raw = match value.kind {
            ValueKind::Array(items) => Raw::List(
                items
                    .into_iter()
                    .map(Value::into_string)
                    .collect::<Result<Vec<_>, _>>()?,
            ),
            kind => Raw::Text(Value::new(None, kind).into_string()?),
        };
        merged.insert(path, (raw, source));
    }
    Ok(merged)
}
