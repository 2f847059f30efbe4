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

/// Reads the flags of the table `[group.NAME]`: `--listeners.public.max-conns`.
pub(super) fn named_layer<S: Settings>(
    flags: &[(String, OsString)],
    name: &str,
    errors: &mut Vec<ConfigError>,
) -> Layer {
    let keys = S::all_keys();
    let flag_name = |path: &str| format!("--{}.{name}.{path}", S::TABLE).replace('_', "-");
    let mut layer = Layer::default();
    for (flag, value) in flags {
        let (group, path) = split(flag);
        let Some((of, path)) = path.split_once('.') else {
            continue;
        };
        if group != S::TABLE || of != name.replace('-', "_") {
            continue;
        }
        let key = keys.iter().find(|key| key.path == path);
        match (key, value.to_str()) {
            (Some(key), Some(value)) => {
                let source = Source::Flag(flag_name(key.path));
                layer.set(key.path, Raw::from(value), source);
            }
            (Some(key), None) => {
                let source = Source::Flag(flag_name(key.path));
                let path = format!("{}.{name}.{}", S::TABLE, key.path);
                errors.push(ConfigError::of_key(&path, source, "the value is not UTF-8"));
            }
            (None, _) => {
                let message = unknown::<S>("flag", path, &keys, errors.len(), flag_name);
                errors.push(ConfigError::of_source(given(flag), message));
            }
        }
    }
    layer
}

/// Returns the names in a group's flags, and errors without one.
pub(super) fn names<'a, S: Settings>(
    flags: &'a [(String, OsString)],
) -> impl Iterator<Item = Result<String, ConfigError>> + 'a {
    let of_group = flags.iter().filter(|(flag, _)| split(flag).0 == S::TABLE);
    of_group.map(|(flag, _)| match split(flag).1.split_once('.') {
        Some((name, _)) => Ok(name.to_owned()),
        None => {
            let message = format!("a name is missing: --{}.NAME.KEY", S::TABLE);
            Err(ConfigError::of_source(given(flag), message))
        }
    })
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
