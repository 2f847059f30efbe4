//! The environment as a layer. Names are built from the keys, never split.

use std::ffi::{OsStr, OsString};

use transport_core::schema::{Key, Raw};

use super::layer::Layer;
use super::suggest::unknown;
use super::{ConfigError, Settings, Source};

/// Reads the variables of one table.
///
/// `prefixes` are those of all loaded tables: a variable belongs to the longest matching one.
pub(super) fn layer<S: Settings>(
    vars: &[(OsString, OsString)],
    prefixes: &[&str],
    errors: &mut Vec<ConfigError>,
) -> Layer {
    layer_below::<S>(vars, S::ENV_PREFIX, S::TABLE, prefixes, errors)
}

/// Reads the variables of one table with this prefix.
pub(super) fn layer_below<S: Settings>(
    vars: &[(OsString, OsString)],
    own: &str,
    table: &str,
    prefixes: &[&str],
    errors: &mut Vec<ConfigError>,
) -> Layer {
    let keys = S::all_keys();
    let env_name = |path: &str| {
        let path = path.replace('.', "_").to_ascii_uppercase();
        format!("{own}{path}")
    };
    let named: Vec<(String, &Key)> = keys.iter().map(|k| (env_name(k.path), *k)).collect();
    let mut layer = Layer::default();
    let mut wrong = Vec::new();
    for (name, value) in vars.iter().filter(|(name, _)| owner(name, prefixes) == own) {
        let source = Source::Env(name.to_string_lossy().into_owned());
        let text = name.to_string_lossy();
        let rest = text.strip_prefix(own).unwrap_or_default();
        let key = named.iter().find(|(known, _)| OsStr::new(known) == name);
        match (key, value.to_str()) {
            (Some((_, key)), Some(value)) => layer.set(key.path, Raw::from(value), source),
            (Some((_, key)), None) => {
                let path = format!("{table}.{}", key.path);
                wrong.push(ConfigError::of_key(&path, source, "the value is not UTF-8"));
            }
            (None, value) if is_from_kubernetes(rest, value.unwrap_or_default()) => {}
            (None, _) => {
                let message = unknown::<S>("variable", rest, &keys, wrong.len(), env_name);
                wrong.push(ConfigError::of_source(source, message));
            }
        }
    }
    // The order of an environment is arbitrary.
    wrong.sort_by_key(|error| error.origin().to_origin());
    errors.append(&mut wrong);
    layer
}

/// Reports variables of a group that belong to none of its tables.
pub(super) fn strays(
    vars: &[(OsString, OsString)],
    group: &str,
    prefixes: &[&str],
    errors: &mut Vec<ConfigError>,
) {
    for (name, value) in vars {
        let text = name.to_string_lossy();
        let rest = text.strip_prefix(group).unwrap_or_default();
        let value = value.to_str().unwrap_or_default();
        if owner(name, prefixes) == group && !is_from_kubernetes(rest, value) {
            let message = "no table has this name; a file or a flag must define it";
            errors.push(ConfigError::of_source(
                Source::Env(text.into_owned()),
                message,
            ));
        }
    }
}

/// Returns the longest prefix of the name; empty if none matches.
fn owner<'a>(name: &OsStr, prefixes: &[&'a str]) -> &'a str {
    let name = name.as_encoded_bytes();
    let fits = prefixes
        .iter()
        .copied()
        .filter(|prefix| name.starts_with(prefix.as_bytes()));
    fits.max_by_key(|prefix| prefix.len()).unwrap_or_default()
}

/// Returns whether Kubernetes injects this name.
///
/// It does so for a service whose name is or begins with the prefix: `…_PORT`,
/// `…_PORT_80_TCP_ADDR`, `…_SERVICE_HOST`.
fn is_from_kubernetes(rest: &str, value: &str) -> bool {
    let of_this = rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    let protocols = ["tcp://", "udp://", "sctp://"];
    let is_link = protocols.iter().any(|start| value.starts_with(start));
    let of_another = rest.ends_with("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.ends_with("_PORT") && is_link
        || rest.split("_PORT_").skip(1).any(|rest| {
            let port = rest.split('_').next().unwrap_or_default();
            port.parse::<u16>().is_ok()
        });
    of_this || of_another
}
