//! Command-line flags as a layer: `--transport.max-conns 5`.

use std::ffi::OsString;

use transport_core::schema::Raw;

use super::layer::Layer;
use super::suggest::unknown;
use super::{ConfigError, Settings, Source};

/// Reads the flags of one table.
pub(super) fn layer<S: Settings>(
    flags: &[(String, OsString)],
    errors: &mut Vec<ConfigError>,
) -> Layer {
    let keys = S::all_keys();
    let mut layer = Layer::default();
    for (name, value) in flags {
        let (table, path) = split(name);
        if table != S::TABLE {
            continue;
        }
        let key = keys.iter().find(|key| key.path == path);
        match (key, value.to_str()) {
            (Some(key), Some(value)) => {
                layer.set(
                    key.path,
                    Raw::from(value),
                    Source::Flag(S::flag_name(key.path)),
                );
            }
            (Some(key), None) => {
                let source = Source::Flag(S::flag_name(key.path));
                let path = format!("{}.{}", S::TABLE, key.path);
                errors.push(ConfigError::of_key(&path, source, "the value is not UTF-8"));
            }
            (None, _) => {
                let message = unknown::<S>("flag", &path, &keys, errors.len(), S::flag_name);
                errors.push(ConfigError::of_source(given(name), message));
            }
        }
    }
    layer
}

/// Reports flags that belong to no loaded table.
pub(super) fn strays(flags: &[(String, OsString)], tables: &[&str], errors: &mut Vec<ConfigError>) {
    for (name, _) in flags {
        if !tables.contains(&split(name).0.as_str()) {
            let known: Vec<_> = tables.iter().map(|table| format!("--{table}.…")).collect();
            let message = format!("unknown flag; known are {}", known.join(" and "));
            errors.push(ConfigError::of_source(given(name), message));
        }
    }
}

/// Splits a flag into table and path, with `_` for `-`. Without a dot, the table is empty.
fn split(name: &str) -> (String, String) {
    let plain = name.strip_prefix("--").unwrap_or(name).replace('-', "_");
    match plain.split_once('.') {
        Some((table, path)) => (table.to_owned(), path.to_owned()),
        None => (String::new(), plain),
    }
}

/// The flag as the user wrote it, with its dashes.
fn given(name: &str) -> Source {
    let name: String = name
        .strip_prefix("--")
        .unwrap_or(name)
        .chars()
        .take(120)
        .collect();
    Source::Flag(format!("--{name}"))
}
