//! Tables with names: `[listeners.NAME]`, each over the values of other tables.

use std::collections::{BTreeSet, HashMap};

use transport_core::schema::Raw;
use transport_core::TransportName;

use super::file::Document;
use super::layer::{merge, Layer};
use super::loader::Filled;
use super::{env, flags, Config, ConfigError, ConfigErrors, Loaded, Loader, Settings, Source};

/// Settings that a file has several times, in tables with names.
///
/// A key that `[group.NAME]` does not set has the value of `[transport]` or of the embedder's
/// table, by path. [`Settings::TABLE`] is the group, and [`Settings::ENV_PREFIX`] the start of its
/// variables: `RON_LISTENERS_PUBLIC_BIND_ADDR` sets `bind_addr` of `[listeners.public]`.
pub trait NamedSettings: Settings {
    /// Returns whether all tables share a key.
    ///
    /// Only `[transport]` and the embedder's table may set it.
    fn is_shared(path: &str) -> bool;
}

/// The loaded settings of one table with a name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamedTable<N: Settings> {
    /// The name; see [`TransportName`].
    pub name: String,
    /// The settings, with the values of the other tables.
    pub loaded: Loaded<N>,
}

/// The values of a table by path, with their sources.
type Values = HashMap<String, (Raw, Source)>;

impl Loader {
    /// Loads `[transport]`, the embedder's table, and a group, sorted by name.
    ///
    /// Files and flags name the tables of the group. Where there are any, the rules between keys
    /// and the warnings about their values concern each of these tables, and not the other two.
    /// Blocks on the file system.
    ///
    /// # Errors
    /// All errors of all tables at once.
    #[allow(clippy::type_complexity)]
    pub fn load_with_named<E: Settings, N: NamedSettings>(
        &self,
    ) -> Result<(Loaded<Config>, Loaded<E>, Vec<NamedTable<N>>), ConfigErrors> {
        let mut errors = Vec::new();
        let files = self.read(&mut errors);
        let names = self.names::<N>(&files, &mut errors);
        flags::strays(
            &self.flags,
            &[Config::TABLE, E::TABLE, N::TABLE],
            &mut errors,
        );
        let of_names: Vec<_> = names.iter().map(|name| env_prefix::<N>(name)).collect();
        let mut prefixes = vec![Config::ENV_PREFIX, E::ENV_PREFIX];
        if names.is_empty() {
            let transport = self.table(&files, &prefixes, &mut errors);
            let own = self.table(&files, &prefixes, &mut errors);
            return ConfigErrors::unless_empty(errors, (transport, own, Vec::new()));
        }
        prefixes.push(N::ENV_PREFIX);
        prefixes.extend(of_names.iter().map(String::as_str));
        env::strays(&self.env, N::ENV_PREFIX, &prefixes, &mut errors);
        let base = self.values::<Config>(&files, &prefixes, &mut errors);
        let own = self.values::<E>(&files, &prefixes, &mut errors);
        let transport = Filled::<Config>::new(&base, Config::TABLE, &mut errors);
        let embedder = Filled::<E>::new(&own, E::TABLE, &mut errors);
        let mut inherited = own;
        inherited.extend(base);
        let mut tables = Vec::new();
        for (name, prefix) in names.iter().zip(&of_names) {
            let layers = self.layers::<N>(&files, name, prefix, &prefixes, &mut errors);
            let loaded = self.named::<N>(name, layers, &inherited, &mut errors);
            tables.push(NamedTable {
                name: name.clone(),
                loaded,
            });
        }
        let warnings = embedder.settings.warnings(self.max_fd);
        let transport = transport.into_loaded(&files, Vec::new());
        let embedder = embedder.into_loaded(&files, warnings);
        ConfigErrors::unless_empty(errors, (transport, embedder, tables))
    }

    /// Returns whether files or flags name a table of this group. Blocks on the file system.
    #[must_use]
    pub fn has_named<N: NamedSettings>(&self) -> bool {
        let files = self.read(&mut Vec::new());
        !self.names::<N>(&files, &mut Vec::new()).is_empty()
    }

    /// Returns the names of the group, sorted.
    fn names<N: NamedSettings>(
        &self,
        files: &[Document],
        errors: &mut Vec<ConfigError>,
    ) -> Vec<String> {
        let mut names = BTreeSet::new();
        for file in files {
            errors.extend(file.not_a_group::<N>());
            for (name, _) in file.named::<N>() {
                match name.parse::<TransportName>() {
                    Ok(_) => drop(names.insert(name.to_owned())),
                    Err(error) => {
                        let source = file.source().clone();
                        errors.push(ConfigError::of_key(N::TABLE, source, error.to_string()));
                    }
                }
            }
        }
        for found in flags::names::<N>(&self.flags) {
            match found {
                // A flag has the same spelling for `_` and `-`.
                Ok(name) if names.iter().any(|known| known.replace('-', "_") == name) => {}
                Ok(name) => match name.parse::<TransportName>() {
                    Ok(_) => drop(names.insert(name)),
                    Err(error) => {
                        let source = Source::Flag(format!("--{}.{name}", N::TABLE));
                        errors.push(ConfigError::of_source(source, error.to_string()));
                    }
                },
                Err(error) => errors.push(error),
            }
        }
        names.into_iter().collect()
    }

    /// Returns what files, environment and flags set in one table.
    fn layers<N: NamedSettings>(
        &self,
        files: &[Document],
        name: &str,
        prefix: &str,
        prefixes: &[&str],
        errors: &mut Vec<ConfigError>,
    ) -> Vec<Layer> {
        let table = format!("{}.{name}", N::TABLE);
        let in_files = files.iter();
        let mut layers: Vec<_> = in_files
            .map(|file| file.named_layer::<N>(name, errors))
            .collect();
        let in_env = env::layer_below::<N>(&self.env, prefix, &table, prefixes, errors);
        layers.push(in_env);
        layers.push(flags::named_layer::<N>(&self.flags, name, errors));
        for layer in &layers {
            for (path, source) in layer.paths().filter(|(path, _)| N::is_shared(path)) {
                let message = format!(
                    "is shared by all tables of [{}]: set it in [{}]",
                    N::TABLE,
                    Config::TABLE,
                );
                errors.push(ConfigError::of_key(
                    &format!("{table}.{path}"),
                    source.clone(),
                    message,
                ));
            }
        }
        layers
    }

    /// Loads one table over the inherited values.
    fn named<N: NamedSettings>(
        &self,
        name: &str,
        layers: Vec<Layer>,
        inherited: &Values,
        errors: &mut Vec<ConfigError>,
    ) -> Loaded<N> {
        let table = format!("{}.{name}", N::TABLE);
        let mut values = merge(layers).unwrap_or_else(|error| {
            errors.push(ConfigError::of_source(Source::Default, error.to_string()));
            Values::default()
        });
        let own: BTreeSet<String> = values.keys().cloned().collect();
        for key in N::all_keys() {
            if let (false, Some(value)) = (own.contains(key.path), inherited.get(key.path)) {
                values.insert(key.path.to_owned(), value.clone());
            }
        }
        // An unusable inherited value is an error of its own table, which is reported there.
        let before = errors.len();
        let mut filled = Filled::<N>::new(&values, &table, errors);
        let of_own = |error: &ConfigError| {
            let path = error
                .key()
                .and_then(|key| key.strip_prefix(&table)?.strip_prefix('.'));
            path.map_or(true, |path| own.contains(path))
        };
        let mut at = 0;
        errors.retain(|error| {
            at += 1;
            at <= before || of_own(error)
        });
        filled.check_rules(&table, errors);
        let warnings = filled.settings.warnings(self.max_fd).into_iter();
        let warnings = warnings
            .map(|warning| format!("{table}: {warning}"))
            .collect();
        filled.into_loaded(&[], warnings)
    }
}

/// Returns the start of the variables of one table.
fn env_prefix<N: Settings>(name: &str) -> String {
    let name = name.replace('-', "_").to_ascii_uppercase();
    format!("{}{name}_", N::ENV_PREFIX)
}
