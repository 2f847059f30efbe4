//! "Did you mean": the known name nearest to an unknown one.

use transport_core::schema::Key;

use super::error::MAX_SHOWN;
use super::Settings;

/// Longest compared name in bytes; a longer one is no typing error.
const MAX_COMPARED: usize = 64;

/// Returns the nearest known name, if it is near.
///
/// Ignores case, leading dashes, and the difference between `-`, `.` and `_`. A name with its group
/// missing, or with one too many, is near.
///
/// ```
/// use ron_transport::config::suggest;
///
/// let flags = ["--transport.max-conns", "--gateway.mode"];
/// assert_eq!(suggest("--max_conns", flags), Some("--transport.max-conns"));
/// assert_eq!(suggest("--zebra", flags), None);
/// ```
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > MAX_COMPARED {
        return None;
    }
    let name = plain(name);
    let allowed = 2.max(name.chars().count() / 3);
    let (distance, nearest) = known
        .into_iter()
        .map(|known| (distance(&name, &plain(known)), known))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(nearest)
}

/// Returns the error text for an unknown name.
///
/// It names the missing feature, or suggests a key. `earlier` is the number of errors before this
/// one: with more than are shown, nothing is suggested.
pub(super) fn unknown<S: Settings>(
    what: &str,
    name: &str,
    keys: &[&'static Key],
    earlier: usize,
    written: impl Fn(&str) -> String,
) -> String {
    if let Some(feature) = S::missing_feature(&name.to_ascii_lowercase()) {
        return format!("unknown {what} in this build: it needs the feature `{feature}`");
    }
    let nearest = if earlier < MAX_SHOWN {
        suggest(name, keys.iter().map(|key| key.path))
    } else {
        None
    };
    match nearest.map(written) {
        Some(nearest) => format!("unknown {what}; did you mean {nearest}?"),
        None => format!("unknown {what}"),
    }
}

fn plain(name: &str) -> String {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    name.replace(['-', '.'], "_")
}

fn distance(name: &str, known: &str) -> usize {
    let ends_with_part = |long: &str, short: &str| {
        short.len() >= 4
            && long
                .strip_suffix(short)
                .is_some_and(|rest| rest.ends_with('_'))
    };
    if ends_with_part(known, name) || ends_with_part(name, known) {
        return 1;
    }
    strsim::osa_distance(name, known)
}
