//! Collects the layers, merges them and checks the result.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use transport_core::schema::{Raw, ValueError};

use super::file::{Document, Input};
use super::layer::merge;
use super::{env, flags, settings, Config, ConfigError, ConfigErrors, Loaded, Settings, Source};

/// The key that selects a preset.
const PRESET: &str = "preset";

/// Loads a configuration from files, the environment and flags.
///
/// Flags take precedence over the environment, the environment over files, files over defaults. A
/// later file takes precedence over an earlier one, and so does a later flag over the same flag.
/// Only the `load` methods read files, and each call reads them again.
///
/// ```
/// use ron_transport::Config;
///
/// let loaded = Config::loader()
///     .toml_str("[transport]\nmax_conns = 5\nidle_timeout = '30s'", "example.toml")
///     .env([("RON_TRANSPORT_MAX_CONNS", "6")])
///     .flag("transport.max-conns", "7")
///     .load()?;
/// assert_eq!(loaded.settings().limits.max_conns(), 7);
/// assert_eq!(loaded.source("max_conns").to_string(), "flag --transport.max-conns");
///
/// let errors = Config::loader().flag("transport.max-conn", "7").load().unwrap_err();
/// assert!(errors.to_string().contains("did you mean --transport.max-conns?"));
/// # Ok::<(), ron_transport::config::ConfigErrors>(())
/// ```
#[derive(Clone, Default)]
pub struct Loader {
    pub(super) files: Vec<Input>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) flags: Vec<(String, OsString)>,
    pub(super) max_fd: Option<u64>,
}

impl Loader {
    /// Adds a TOML file. If it cannot be read, `load` fails.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(Input::Path(path.into()));
        self
    }

    /// Adds the text of a TOML file. Errors refer to it by `name`.
    #[must_use]
    pub fn toml_str(mut self, text: impl Into<String>, name: impl Into<String>) -> Self {
        self.files.push(Input::Text {
            text: text.into(),
            name: name.into(),
        });
        self
    }

    /// Adds the text of a TOML file below all others.
    #[must_use]
    pub fn toml_str_below(mut self, text: impl Into<String>, name: impl Into<String>) -> Self {
        let input = Input::Text {
            text: text.into(),
            name: name.into(),
        };
        self.files.insert(0, input);
        self
    }

    /// Reads the files now; all further loads see the same text.
    ///
    /// Unreadable files are tried again by each load. Blocks on the file system.
    #[must_use]
    pub fn snapshot(mut self) -> Self {
        for input in &mut self.files {
            input.read_now();
        }
        self
    }

    /// Adds environment variables; those without a known prefix are ignored.
    ///
    /// An empty value counts as set.
    #[must_use]
    pub fn env<K, V>(mut self, vars: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        self.env.extend(
            vars.into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// Adds the current environment of this process.
    #[must_use]
    pub fn env_from_process(self) -> Self {
        self.env(std::env::vars_os())
    }

    /// Adds a flag: `transport.max-conns` or `transport.max_conns`, with or without `--`.
    #[must_use]
    pub fn flag(mut self, key: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.flags.push((key.into(), value.into()));
        self
    }

    /// Sets the number of file descriptors that the process may open.
    ///
    /// `max_conns` over half of it is a warning.
    #[must_use]
    pub fn max_fd(mut self, limit: Option<u64>) -> Self {
        self.max_fd = limit;
        self
    }

    /// Loads `[transport]`. Blocks on the file system.
    ///
    /// # Errors
    /// All errors at once.
    pub fn load(&self) -> Result<Loaded<Config>, ConfigErrors> {
        self.load_section()
    }

    /// Loads the table of `S` alone. Blocks on the file system.
    ///
    /// # Errors
    /// All errors at once; a flag of another table is an error.
    pub fn load_section<S: Settings>(&self) -> Result<Loaded<S>, ConfigErrors> {
        let mut errors = Vec::new();
        let files = self.read(&mut errors);
        flags::strays(&self.flags, &[S::TABLE], &mut errors);
        let loaded = self.table(&files, &[S::ENV_PREFIX], &mut errors);
        ConfigErrors::unless_empty(errors, loaded)
    }

    /// Loads `[transport]` and the embedder's table from the same sources. Blocks on the file
    /// system.
    ///
    /// # Errors
    /// All errors of both tables at once.
    pub fn load_with<E: Settings>(&self) -> Result<(Loaded<Config>, Loaded<E>), ConfigErrors> {
        let mut errors = Vec::new();
        let files = self.read(&mut errors);
        flags::strays(&self.flags, &[Config::TABLE, E::TABLE], &mut errors);
        let prefixes = [Config::ENV_PREFIX, E::ENV_PREFIX];
        let transport = self.table(&files, &prefixes, &mut errors);
        let own = self.table(&files, &prefixes, &mut errors);
        ConfigErrors::unless_empty(errors, (transport, own))
    }

    /// Returns the unchecked text for a key of `S`.
    ///
    /// For an embedder whose own defaults depend on it. Blocks on the file system.
    #[must_use]
    pub fn peek<S: Settings>(&self, path: &str) -> Option<String> {
        let mut errors = Vec::new();
        let files = self.read(&mut errors);
        let values = self.values::<S>(&files, &[S::ENV_PREFIX], &mut errors);
        let (raw, _) = values.get(path)?;
        Some(shown(raw))
    }

    pub(super) fn read(&self, errors: &mut Vec<ConfigError>) -> Vec<Document> {
        let mut documents = Vec::new();
        for input in &self.files {
            match Document::read(input) {
                Ok(document) => documents.push(document),
                Err(error) => errors.push(error),
            }
        }
        documents
    }

    /// Returns the values of one table from all layers, by path.
    pub(super) fn values<S: Settings>(
        &self,
        files: &[Document],
        prefixes: &[&str],
        errors: &mut Vec<ConfigError>,
    ) -> HashMap<String, (Raw, Source)> {
        let mut layers: Vec<_> = files.iter().map(|file| file.layer::<S>(errors)).collect();
        layers.push(env::layer::<S>(&self.env, prefixes, errors));
        layers.push(flags::layer::<S>(&self.flags, errors));
        let mut values = merge(layers).unwrap_or_else(|error| {
            errors.push(ConfigError::of_source(Source::Default, error.to_string()));
            Default::default()
        });
        if let Some((Raw::Text(preset), _)) = values.get(PRESET) {
            let preset = preset.trim().to_owned();
            for (path, value) in S::preset_values(&preset) {
                let value = || (Raw::from(*value), Source::Preset(preset.clone()));
                values.entry((*path).to_owned()).or_insert_with(value);
            }
        }
        values
    }

    /// Loads and checks one table. If there are errors, it has the valid settings only.
    pub(super) fn table<S: Settings>(
        &self,
        files: &[Document],
        prefixes: &[&str],
        errors: &mut Vec<ConfigError>,
    ) -> Loaded<S> {
        let values = self.values::<S>(files, prefixes, errors);
        let mut filled = Filled::<S>::new(&values, S::TABLE, errors);
        filled.check_rules(S::TABLE, errors);
        let warnings = filled.settings.warnings(self.max_fd);
        filled.into_loaded(files, warnings)
    }
}

/// Settings with the values of all layers.
pub(super) struct Filled<S> {
    pub(super) settings: S,
    sources: BTreeMap<&'static str, Source>,
    failed: BTreeSet<&'static str>,
}

impl<S: Settings> Filled<S> {
    /// Sets each value. `table` is the name of the table in errors.
    pub(super) fn new(
        values: &HashMap<String, (Raw, Source)>,
        table: &str,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let (mut settings, mut sources) = (S::default(), BTreeMap::new());
        let mut failed = BTreeSet::new();
        for section in settings.sections_mut() {
            for key in section.keys() {
                let Some((raw, source)) = values.get(key.path) else {
                    continue;
                };
                sources.insert(key.path, source.clone());
                if let Err(error) = section.set(key.path, raw) {
                    failed.insert(key.path);
                    let allowed = key.allowed();
                    errors.push(blame(
                        table,
                        key.path,
                        source,
                        &shown(raw),
                        &error,
                        &allowed,
                    ));
                }
            }
        }
        Self {
            settings,
            sources,
            failed,
        }
    }

    /// Checks the rules that span several keys.
    pub(super) fn check_rules(&mut self, table: &str, errors: &mut Vec<ConfigError>) {
        for (path, error) in rules_to_blame(&self.settings, &self.failed) {
            let source = self.sources.get(path).unwrap_or(&Source::Default);
            let value = self.settings.value(path).unwrap_or_default();
            errors.push(blame(table, path, source, &value, &error, ""));
        }
    }

    pub(super) fn into_loaded(self, files: &[Document], mut warnings: Vec<String>) -> Loaded<S> {
        let mut rest = BTreeMap::new();
        for file in files {
            file.rest::<S>(&mut rest);
            warnings.extend(file.misplaced::<S>());
        }
        Loaded {
            settings: self.settings,
            sources: self.sources,
            rest,
            warnings,
        }
    }
}

/// Prints the number of sources; the values may be secret.
impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("files", &self.files.len())
            .field("env", &self.env.len())
            .field("flags", &self.flags.len())
            .field("max_fd", &self.max_fd)
            .finish()
    }
}

/// Returns the broken rules, except for those that involve an unreadable value.
///
/// Such a key keeps its default, so the rule would report a value that the user did not write.
fn rules_to_blame<S: Settings>(
    settings: &S,
    failed: &BTreeSet<&'static str>,
) -> Vec<(&'static str, ValueError)> {
    let mut broken = settings::conflicts(settings);
    broken.retain(|(path, error)| {
        let text = error.to_string();
        !failed
            .iter()
            .any(|failed| failed == path || text.contains(failed))
    });
    broken
}

fn blame(
    table: &str,
    path: &str,
    source: &Source,
    value: &str,
    error: &ValueError,
    rule: &str,
) -> ConfigError {
    let key = format!("{table}.{path}");
    ConfigError::of_value(&key, source.clone(), value, &error.to_string(), rule)
}

fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => text.trim().to_owned(),
        Raw::List(items) => format!("[{}]", items.join(", ")),
    }
}
