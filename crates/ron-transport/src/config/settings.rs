//! Tables that a loader fills: name, environment prefix, and sections.

use transport_core::schema::{ConflictingSettings, Key, Section, ValueError};
use transport_proxy::{ProxyConfig, ViaProxy};

/// The settings of one table of the file.
///
/// To load a table of your own together with `[transport]`, implement this trait and call
/// [`Loader::load_with`](super::Loader::load_with): it has the same precedence, errors and
/// provenance.
///
/// ```
/// use ron_transport::config::{Config, Settings};
/// use transport_core::schema::{Key, Kind, Reload, Section, SectionTable, Setting};
///
/// #[derive(Debug, Default)]
/// struct Greeter {
///     word: String,
/// }
///
/// impl SectionTable for Greeter {
///     const SETTINGS: &'static [Setting<Self>] = &[
///         Key::new("word", Kind::Text, Reload::Restart)
///             .allows("any text")
///             .doc("First word of a greeting.")
///             .get(|g: &Self| g.word.clone())
///             .set(|g, value| value.text().map(|word| g.word = word.to_owned())),
///     ];
/// }
///
/// impl Settings for Greeter {
///     const TABLE: &'static str = "greeter";
///     const ENV_PREFIX: &'static str = "GREETER_";
///
///     fn sections(&self) -> Vec<&dyn Section> {
///         vec![self]
///     }
///
///     fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
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
    /// Name of the table in the file and in flags.
    const TABLE: &'static str;

    /// Prefix of the environment variables, with the last `_`.
    const ENV_PREFIX: &'static str;

    /// Returns the sections in the order of the manual.
    ///
    /// No two sections have a key with the same path.
    fn sections(&self) -> Vec<&dyn Section>;

    /// Returns the same sections for changes.
    fn sections_mut(&mut self) -> Vec<&mut dyn Section>;

    /// Returns the conflicts between sections: the key at fault, and the reason.
    fn check_across(&self) -> Vec<(&'static str, ValueError)> {
        Vec::new()
    }

    /// Returns the missing cargo feature of an unknown key.
    ///
    /// The name is in lower case; `.` may be `_`.
    #[must_use]
    fn missing_feature(name: &str) -> Option<&'static str> {
        let _ = name;
        None
    }

    /// Returns warnings about allowed settings that are likely mistakes.
    ///
    /// `max_fd` is the number of file descriptors that the process may open, if known.
    fn warnings(&self, max_fd: Option<u64>) -> Vec<String> {
        let _ = max_fd;
        Vec::new()
    }

    /// Returns the defaults of a preset: paths and values.
    ///
    /// They apply where no other source sets the key.
    #[must_use]
    fn preset_values(name: &str) -> &'static [(&'static str, &'static str)] {
        let _ = name;
        &[]
    }

    /// Returns all keys in the order of the manual.
    #[must_use]
    fn all_keys() -> Vec<&'static Key> {
        let defaults = Self::default();
        let sections = defaults.sections().into_iter();
        sections.flat_map(Section::keys).collect()
    }

    /// Returns the value of a key as a configuration would contain it.
    #[must_use]
    fn value(&self, path: &str) -> Option<String> {
        let sections = self.sections().into_iter();
        sections.filter_map(|section| section.get(path)).next()
    }

    /// Returns the environment variable of a key.
    ///
    /// The prefix, then the path in upper case with `_` for `.`.
    #[must_use]
    fn env_name(path: &str) -> String {
        format!(
            "{}{}",
            Self::ENV_PREFIX,
            path.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// Returns the flag of a key with its dashes: `--transport.max-conns`.
    #[must_use]
    fn flag_name(path: &str) -> String {
        format!("--{}.{}", Self::TABLE, path).replace('_', "-")
    }
}

/// Returns whether the value is hidden: a key's path or a proxy.
pub(super) fn is_secret(path: &str) -> bool {
    ["key_path", "keys_path", "identity_path", ProxyConfig::VIA]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Returns the value of a key as it is shown.
pub(super) fn shown(path: &str, value: String) -> String {
    match path {
        _ if value.is_empty() || !is_secret(path) => value,
        ProxyConfig::VIA => ViaProxy::redact(&value),
        _ => "<set>".to_owned(),
    }
}

/// Checks the rules that span several keys.
///
/// # Errors
/// All conflicts.
pub fn check<S: Settings>(settings: &S) -> Result<(), ConflictingSettings> {
    ConflictingSettings::into_result(conflicts(settings))
}

pub(super) fn conflicts<S: Settings>(settings: &S) -> Vec<(&'static str, ValueError)> {
    let sections = settings.sections();
    let within = sections.iter().flat_map(|section| section.check());
    within.chain(settings.check_across()).collect()
}

/// Returns the keys whose values differ.
#[must_use]
pub fn changed<S: Settings>(old: &S, new: &S) -> Vec<&'static Key> {
    let differs = |key: &&Key| old.value(key.path) != new.value(key.path);
    S::all_keys().into_iter().filter(differs).collect()
}
