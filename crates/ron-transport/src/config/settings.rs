//! What can be loaded: a table's name, its environment prefix, and its sections.

use transport_core::schema::{ConflictingSettings, Key, Raw, Section, ValueError};

/// A [`Section`] behind a reference: every section is one. The names differ from those of
/// [`Section`] so that both can be in scope.
pub trait DynSection {
    /// As [`Section::keys`].
    fn dyn_keys(&self) -> &'static [Key];

    /// As [`Section::set`].
    ///
    /// # Errors
    /// As [`Section::set`].
    fn dyn_set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError>;

    /// As [`Section::get`].
    fn dyn_get(&self, path: &str) -> Option<String>;

    /// As [`Section::check`].
    fn dyn_check(&self) -> Vec<(&'static str, ValueError)>;
}

impl<T: Section> DynSection for T {
    fn dyn_keys(&self) -> &'static [Key] {
        T::keys()
    }

    fn dyn_set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        Section::set(self, path, value)
    }

    fn dyn_get(&self, path: &str) -> Option<String> {
        Section::get(self, path)
    }

    fn dyn_check(&self) -> Vec<(&'static str, ValueError)> {
        Section::check(self)
    }
}

/// The settings of one table of the file.
///
/// An embedder that has a table of its own implements this on a struct and loads it together with
/// `[transport]` through [`Loader::load_with`](super::Loader::load_with): same precedence, same
/// errors, same provenance.
///
/// ```
/// use ron_transport::config::{Config, DynSection, Settings};
/// use transport_core::schema::{ConflictingSettings, Key, Kind, Raw, Reload, Section, ValueError};
///
/// #[derive(Debug, Default)]
/// struct Greeter {
///     word: String,
/// }
///
/// impl Section for Greeter {
///     fn keys() -> &'static [Key] {
///         &[Key {
///             path: "word",
///             kind: Kind::Text,
///             default: "",
///             rule: "any text",
///             reload: Reload::Restart,
///             doc: "What is said first.",
///         }]
///     }
///
///     fn set(&mut self, _path: &str, value: &Raw) -> Result<(), ValueError> {
///         self.word = value.text()?.to_owned();
///         Ok(())
///     }
///
///     fn get(&self, path: &str) -> Option<String> {
///         (path == "word").then(|| self.word.clone())
///     }
/// }
///
/// impl Settings for Greeter {
///     const TABLE: &'static str = "greeter";
///     const ENV_PREFIX: &'static str = "GREETER_";
///
///     fn sections(&self) -> Vec<&dyn DynSection> {
///         vec![self]
///     }
///
///     fn sections_mut(&mut self) -> Vec<&mut dyn DynSection> {
///         vec![self]
///     }
/// }
///
/// let (transport, greeter) = Config::loader()
///     .toml_str("[transport]\nmax_conns = 5\n[greeter]\nword = 'hi'", "example.toml")
///     .env([("GREETER_WORD", "hello")])
///     .load_with::<Greeter>()?;
/// assert_eq!(transport.settings().limits.max_conns(), 5);
/// assert_eq!(greeter.settings().word, "hello");
/// assert_eq!(greeter.source("word").to_string(), "environment GREETER_WORD");
/// # Ok::<(), ron_transport::config::ConfigErrors>(())
/// ```
pub trait Settings: Default {
    /// Name of the table in the file, and first part of every flag.
    const TABLE: &'static str;

    /// What every environment variable starts with, the last `_` included.
    const ENV_PREFIX: &'static str;

    /// The sections, in the order they are documented. No two share a path.
    fn sections(&self) -> Vec<&dyn DynSection>;

    /// The same sections.
    fn sections_mut(&mut self) -> Vec<&mut dyn DynSection>;

    /// Rules that span several sections: the path to blame, and what is wrong with it.
    fn check_across(&self) -> Vec<(&'static str, ValueError)> {
        Vec::new()
    }

    /// The cargo feature that a key of this name needs and this build lacks. In the name, which is
    /// in lower case, `.` may be `_`.
    #[must_use]
    fn missing_feature(name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// What is allowed and yet likely to be a mistake. `max_fd` is how many file descriptors the
    /// process may open, where the caller said so.
    fn warnings(&self, max_fd: Option<u64>) -> Vec<String> {
        let _ = max_fd;
        Vec::new()
    }

    /// Other defaults, by the value of the key `preset`: paths and values that hold where nothing
    /// else sets them.
    #[must_use]
    fn preset_values(name: &str) -> &'static [(&'static str, &'static str)] {
        let _ = name;
        &[]
    }

    /// Every key, in the order they are documented.
    #[must_use]
    fn all_keys() -> Vec<&'static Key> {
        Self::default()
            .sections()
            .into_iter()
            .flat_map(DynSection::dyn_keys)
            .collect()
    }

    /// The environment variable of a path: the prefix, then the path in upper case with `_` for
    /// `.`.
    #[must_use]
    fn env_name(path: &str) -> String {
        format!(
            "{}{}",
            Self::ENV_PREFIX,
            path.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// The flag of a path, with its dashes: `--transport.max-conns`.
    #[must_use]
    fn flag_name(path: &str) -> String {
        format!("--{}.{}", Self::TABLE, path).replace('_', "-")
    }
}

/// Whether the value of this path is never shown: it says where a private key is.
pub(super) fn is_secret(path: &str) -> bool {
    ["key_path", "keys_path", "identity_path"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Checks the rules that span several keys.
///
/// # Errors
/// All that are broken: the path to blame, and why.
pub fn check<S: Settings>(settings: &S) -> Result<(), ConflictingSettings> {
    ConflictingSettings::into_result(broken_rules(settings))
}

pub(super) fn broken_rules<S: Settings>(settings: &S) -> Vec<(&'static str, ValueError)> {
    let sections = settings.sections();
    let within = sections.iter().flat_map(|section| section.dyn_check());
    within.chain(settings.check_across()).collect()
}

/// The keys whose values differ.
#[must_use]
pub fn changed<S: Settings>(old: &S, new: &S) -> Vec<&'static Key> {
    let pairs = old.sections().into_iter().zip(new.sections());
    let differing = pairs.flat_map(|(old, new)| {
        let differs = |key: &&Key| old.dyn_get(key.path) != new.dyn_get(key.path);
        old.dyn_keys().iter().filter(differs).collect::<Vec<_>>()
    });
    differing.collect()
}
