//! Loaded settings, the source of each value, and other tables.

use std::collections::BTreeMap;
use std::fmt;

use transport_core::escape::escape_composed;
use transport_core::schema::{Key, Raw};

use super::settings::shown;
use super::{Settings, Source};

/// Loaded settings that passed every check.
#[derive(Clone)]
pub struct Loaded<S> {
    pub(super) settings: S,
    pub(super) sources: BTreeMap<&'static str, Source>,
    pub(super) rest: BTreeMap<String, BTreeMap<String, Raw>>,
    pub(super) warnings: Vec<String>,
}

impl<S: Settings> Loaded<S> {
    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// Returns the settings without their sources.
    #[must_use]
    pub fn into_settings(self) -> S {
        self.settings
    }

    /// Returns the source of a value, by path.
    #[must_use]
    pub fn source(&self, path: &str) -> &Source {
        self.sources.get(path).unwrap_or(&Source::Default)
    }

    /// Returns all keys with value and source, in the manual's order.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let keys = S::all_keys().into_iter();
        keys.map(|key| Effective {
            key,
            value: shown(key.path, self.settings.value(key.path).unwrap_or_default()),
            source: self.source(key.path).clone(),
        })
        .collect()
    }

    /// Returns warnings about allowed settings that are likely mistakes.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the values of another top-level table by dotted path.
    ///
    /// A later file's value replaces an earlier one. `None` if no file has the table.
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

    /// Returns the names of the other top-level tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.rest.keys().map(String::as_str)
    }
}

/// Prints the values that are not secret, and the other tables' names.
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

/// A key with its value and source.
///
/// It prints as `max_conns = 5  # environment RON_TRANSPORT_MAX_CONNS`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Effective {
    /// The key.
    pub key: &'static Key,
    /// The value as in a file; `<set>` hides secrets.
    pub value: String,
    /// The source of the value.
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
