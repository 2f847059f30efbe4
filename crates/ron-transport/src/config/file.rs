//! A file as a layer: its table, checked against the keys.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use transport_core::escape::escape;
use transport_core::schema::{Key, Raw};
use transport_core::{open_file, read_bounded};

use super::layer::Layer;
use super::suggest::unknown;
use super::tree::{join, Node};
use super::{ConfigError, Settings, Source};

/// Size limit of a file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A file to read, or its text.
#[derive(Clone)]
pub(super) enum Input {
    Path(PathBuf),
    Text { text: String, name: String },
}

impl Input {
    /// Replaces a path by the text of its file. An unreadable path stays, for the error.
    pub(super) fn read_now(&mut self) {
        if let Self::Path(path) = self {
            if let Ok(text) = read(path) {
                let name = path.to_string_lossy().into_owned();
                *self = Self::Text { text, name };
            }
        }
    }
}

/// A parsed file.
pub(super) struct Document {
    source: Source,
    top: Vec<(String, Node)>,
}

impl Document {
    /// Reads and parses the file. The error names the file and, if known, the line.
    pub(super) fn read(input: &Input) -> Result<Self, ConfigError> {
        let (source, text) = match input {
            Input::Text { text, name } => (Source::File(name.clone()), text.clone()),
            Input::Path(path) => {
                let source = Source::File(path.to_string_lossy().into_owned());
                match read(path) {
                    Ok(text) => (source, text),
                    Err(message) => return Err(ConfigError::of_source(source, message)),
                }
            }
        };
        match toml::de::DeTable::parse(&text) {
            Ok(table) => Ok(Self {
                source,
                top: Node::from_table(table.get_ref()),
            }),
            Err(error) => {
                // Not the error's own `Display`, which quotes the line and so the value.
                let at = error.span().and_then(|span| text.get(..span.start));
                let line = at.map(|before| before.matches('\n').count() + 1);
                let line = line
                    .map(|line| format!("line {line}: "))
                    .unwrap_or_default();
                let message = format!("{line}not valid TOML: {}", error.message());
                Err(ConfigError::of_source(source, message))
            }
        }
    }

    /// Returns the settings of the table of `S`.
    pub(super) fn layer<S: Settings>(&self, errors: &mut Vec<ConfigError>) -> Layer {
        let node = self.top.iter().find(|(name, _)| name == S::TABLE);
        self.walk::<S>(S::TABLE, node.map(|(_, node)| node), errors)
    }

    /// Returns the settings of `[group.NAME]`, with the keys of `S`.
    pub(super) fn named_layer<S: Settings>(
        &self,
        name: &str,
        errors: &mut Vec<ConfigError>,
    ) -> Layer {
        let node = self.named::<S>().find(|(known, _)| *known == name);
        let table = join(S::TABLE, name);
        self.walk::<S>(&table, node.map(|(_, node)| node), errors)
    }

    /// Returns the tables below the group of `S`.
    ///
    /// None if the group is not a table.
    pub(super) fn named<S: Settings>(&self) -> impl Iterator<Item = (&str, &Node)> {
        let group = self.top.iter().find(|(name, _)| name == S::TABLE);
        let entries: &[(String, Node)] = match group {
            Some((_, Node::Table(entries))) => entries,
            _ => &[],
        };
        entries.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Returns the error of a group that is not a table.
    pub(super) fn not_a_group<S: Settings>(&self) -> Option<ConfigError> {
        let is_wrong =
            |(name, node): &&(String, Node)| name == S::TABLE && !matches!(node, Node::Table(_));
        self.top.iter().find(is_wrong).map(|_| {
            let message = format!("must have tables with names, such as [{}.public]", S::TABLE);
            ConfigError::of_key(S::TABLE, self.source.clone(), message)
        })
    }

    /// Returns the source of its values.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    fn walk<S: Settings>(
        &self,
        table: &str,
        node: Option<&Node>,
        errors: &mut Vec<ConfigError>,
    ) -> Layer {
        let source = &self.source;
        let mut walk = Walk::<S> {
            settings: PhantomData,
            table,
            source,
            keys: S::all_keys(),
            errors,
            found: Vec::new(),
        };
        match node {
            Some(Node::Table(entries)) => walk.table("", entries),
            Some(_) => {
                let message = format!("must be one table: [{table}]");
                walk.errors
                    .push(ConfigError::of_key(table, source.clone(), message));
            }
            None => {}
        }
        let mut layer = Layer::default();
        for (path, raw) in walk.found {
            layer.set(path, raw, self.source.clone());
        }
        layer
    }

    /// Adds the other tables, flattened, to `into`. Later values replace earlier ones.
    pub(super) fn rest<S: Settings>(&self, into: &mut BTreeMap<String, BTreeMap<String, Raw>>) {
        for (name, node) in self.top.iter().filter(|(name, _)| name != S::TABLE) {
            if let Node::Table(_) = node {
                let mut values = Vec::new();
                node.flatten("", &mut values);
                into.entry(name.clone()).or_default().extend(values);
            }
        }
    }

    /// Returns warnings about keys of `S` outside of its table.
    pub(super) fn misplaced<S: Settings>(&self) -> Vec<String> {
        let (mut warnings, table) = (Vec::new(), S::TABLE);
        for (name, node) in self.top.iter().filter(|(name, _)| name != table) {
            if name.eq_ignore_ascii_case(table) {
                let name = escape(name);
                warnings.push(format!(
                    "{}: [{name}] is not [{table}] and is not read",
                    self.source
                ));
            }
            let mut values = Vec::new();
            node.flatten(name, &mut values);
            for (path, _) in values {
                if S::all_keys().iter().any(|key| key.path == path) {
                    let source = &self.source;
                    warnings.push(format!(
                        "{source}: {path} stands outside [{table}] and has no effect on it"
                    ));
                }
            }
        }
        warnings
    }
}

/// A walk through one table of the file.
struct Walk<'a, S> {
    settings: PhantomData<S>,
    table: &'a str,
    source: &'a Source,
    keys: Vec<&'static Key>,
    errors: &'a mut Vec<ConfigError>,
    found: Vec<(&'static str, Raw)>,
}

impl<S: Settings> Walk<'_, S> {
    fn table(&mut self, path: &str, entries: &[(String, Node)]) {
        for (name, node) in entries {
            // A quoted `"limits.chunk_bytes"` is the same path as the key in its own table.
            self.node(&join(path, name), node);
        }
    }

    fn node(&mut self, path: &str, node: &Node) {
        let known = self.keys.iter().find(|key| key.path == path).copied();
        match (known, node) {
            (Some(key), node) => self.value(key.path, node),
            (None, Node::Table(entries)) if !entries.is_empty() => self.table(path, entries),
            (None, Node::Table(_)) if self.is_group(path) => {}
            (None, _) if self.is_group(path) => {
                self.blame(path, format!("is a table: write [{}.{path}]", self.table));
            }
            (None, _) => {
                let earlier = self.errors.len();
                let text = unknown::<S>("key", path, &self.keys, earlier, str::to_owned);
                self.blame(path, text);
            }
        }
    }

    fn value(&mut self, path: &'static str, node: &Node) {
        if self.found.iter().any(|(found, _)| *found == path) {
            return self.blame(path, "is set twice, once in quotes");
        }
        match (node.raw(), node) {
            (Some(raw), _) => self.found.push((path, raw)),
            (None, Node::Table(_)) => self.blame(path, "a value is expected, not a table"),
            (None, _) => self.blame(path, "a list may hold single values only"),
        }
    }

    /// Returns whether keys exist below this path.
    fn is_group(&self, path: &str) -> bool {
        let below = |key: &&Key| {
            key.path
                .strip_prefix(path)
                .is_some_and(|r| r.starts_with('.'))
        };
        self.keys.iter().any(below)
    }

    fn blame(&mut self, path: &str, message: impl Into<String>) {
        let key = join(self.table, path);
        self.errors
            .push(ConfigError::of_key(&key, self.source.clone(), message));
    }
}

/// Reads a configuration file. A pipe is refused: it can be read once, and a file is read again at
/// each reload.
fn read(path: &Path) -> Result<String, String> {
    let bytes = open_file(path).and_then(|file| read_bounded(file, MAX_FILE_BYTES));
    let bytes = bytes.map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "cannot be read: not UTF-8".to_owned())
}
