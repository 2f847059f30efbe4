//! What was loaded: the settings, where each value came from, and the rest of the file.

use std::collections::BTreeMap;
use std::fmt;

use transport_core::escape::escape_composed;
use transport_core::schema::{Key, Raw};

use super::settings::is_secret;
use super::{Settings, Source};

/// Settings that passed every check.
#[derive(Clone)]
pub struct Loaded<S> {
    pub(super) settings: S,
    pub(super) sources: BTreeMap<&'static str, Source>,
    pub(super) rest: BTreeMap<String, BTreeMap<String, Raw>>,
    pub(super) warnings: Vec<String>,
}

impl<S: Settings> Loaded<S> {
    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// The settings alone.
    #[must_use]
    pub fn into_settings(self) -> S {
        self.settings
    }

    /// Where the value of a path came from; [`Source::Default`] for what nothing set.
    #[must_use]
    pub fn source(&self, path: &str) -> &Source {
        self.sources.get(path).unwrap_or(&Source::Default)
    }

    /// Every key with the value in effect and where it came from, in the order of the keys.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let keys = S::all_keys().into_iter();
        keys.map(|key| Effective {
            key,
            value: match self.settings.value(key.path).unwrap_or_default() {
                value if is_secret(key.path) && !value.is_empty() => "<set>".to_owned(),
                value => value,
            },
            source: self.source(key.path).clone(),
        })
        .collect()
    }

    /// What is allowed and yet likely to be a mistake, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The values of another top-level table of the file by dotted path, untouched: the embedder's
    /// own. Where several files have it, a later file's value takes an earlier one's place. `None`
    /// when no file has it.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<Vec<(String, Raw)>> {
        let values = self.rest.get(name)?;
        Some(
            values
                .iter()
                .map(|(path, raw)| (path.clone(), raw.clone()))
                .collect(),
        )
    }

    /// The names of the other top-level tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.rest.keys().map(String::as_str)
    }
}

/// The effective values, without those that must not be shown, and the names of the other tables.
impl<S: Settings> fmt::Debug for Loaded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effective: Vec<_> = self.effective().iter().map(ToString::to_string).collect();
        f.debug_struct("Loaded")
            .field(S::TABLE, &effective)
            .field("tables", &self.tables().collect::<Vec<_>>())
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// A key's value in effect. Prints as `max_conns = 5  # environment RON_TRANSPORT_MAX_CONNS`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Effective {
    /// The key.
    pub key: &'static Key,
    /// As it would be written; empty for none; `<set>` where it must not be shown.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.key.path)?;
        if self.value.is_empty() {
            f.write_str("none")?;
        }
        write!(f, "{}  # {}", escape_composed(&self.value), self.source)
    }
}
