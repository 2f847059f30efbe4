//! "Did you mean": the known key nearest to an unknown name.

use transport_core::schema::Key;

use super::error::MAX_SHOWN;
use super::Settings;

/// Longest name that is compared, in bytes: what is longer is no slip of the pen.
const MAX_COMPARED: usize = 64;

/// The key whose path is nearest to `name`, when it is reasonably near. Case, `-` and `.` do not
/// count; a name that lacks its group, or has one too many, is near.
fn nearest(name: &str, keys: &[&'static Key]) -> Option<&'static Key> {
    if name.is_empty() || name.len() > MAX_COMPARED {
        return None;
    }
    let name = plain(name);
    let allowed = 2.max(name.chars().count() / 3);
    let (distance, key) = keys
        .iter()
        .map(|key| (distance(&name, &plain(key.path)), *key))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(key)
}

/// A sentence about a name that no key has, after `told` other errors: with the feature that is
/// missing, or what was meant, where something is near and errors are few enough to be shown.
pub(super) fn unknown<S: Settings>(
    what: &str,
    name: &str,
    keys: &[&'static Key],
    told: usize,
    written: impl Fn(&Key) -> String,
) -> String {
    if let Some(feature) = S::missing_feature(&name.to_ascii_lowercase()) {
        return format!("unknown {what} in this build: it needs the feature `{feature}`");
    }
    let near = if told < MAX_SHOWN {
        nearest(name, keys)
    } else {
        None
    };
    match near.map(written) {
        Some(nearest) => format!("unknown {what}; did you mean {nearest}?"),
        None => format!("unknown {what}"),
    }
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

fn distance(name: &str, path: &str) -> usize {
    let ends_with_part = |long: &str, short: &str| {
        short.len() >= 4
            && long
                .strip_suffix(short)
                .is_some_and(|rest| rest.ends_with('_'))
    };
    if ends_with_part(path, name) || ends_with_part(name, path) {
        return 1;
    }
    strsim::osa_distance(name, path)
}
