//! Sections: typed groups of settings.

use super::{Key, Raw, ValueError};

/// A group of settings that a loader reads and sets by key.
///
/// A [`SectionTable`] is a section; implement this trait directly only where a table does not fit.
pub trait Section {
    /// Returns the keys in the order of the manual.
    fn keys(&self) -> Vec<&'static Key>;

    /// Parses and sets one value.
    ///
    /// # Errors
    /// When no key has this path, or the value has the wrong form or is out of range. The setting
    /// is then unchanged.
    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError>;

    /// Returns the current value as a configuration would contain it.
    ///
    /// `None` when no key has this path; an empty text when the setting has no value.
    fn get(&self, path: &str) -> Option<String>;

    /// Returns the conflicts between settings: the key at fault, and the reason.
    fn check(&self) -> Vec<(&'static str, ValueError)> {
        Vec::new()
    }
}

/// A key with access to its field in a `T`.
///
/// [`Key::get`] creates one.
#[derive(Debug)]
pub struct Setting<T> {
    pub(super) key: Key,
    pub(super) get: fn(&T) -> String,
    pub(super) set: fn(&mut T, &Raw) -> Result<(), ValueError>,
}

impl Key {
    /// Joins the key with the getter of its field.
    ///
    /// The function returns the value as a configuration would contain it. Add [`Setting::set`].
    ///
    /// The function returns the value as a configuration would contain it. Add [`Setting::set`].
    #[must_use]
    pub const fn get<T>(self, get: fn(&T) -> String) -> Setting<T> {
        Setting {
            key: self,
            get,
            set: |_, _| Err(ValueError::new("cannot be set")),
        }
    }
}

impl<T> Setting<T> {
    /// Adds a function that parses, validates and sets the value.
    ///
    /// On an error it leaves the value unchanged.
    #[must_use]
    pub const fn set(mut self, set: fn(&mut T, &Raw) -> Result<(), ValueError>) -> Self {
        self.set = set;
        self
    }
}

/// A struct whose settings are rows of a table: its [`Section`].
///
/// ```
/// use transport_core::schema::{Key, Kind, Reload, Section, SectionTable, Setting};
///
/// #[derive(Default)]
/// struct Greeter {
///     word: String,
///     times: u64,
/// }
///
/// impl SectionTable for Greeter {
///     const SETTINGS: &'static [Setting<Self>] = &[
///         Key::new("word", Kind::Text, Reload::Live)
///             .allows("any text")
///             .doc("The word to greet with.")
///             .get(|g: &Self| g.word.clone())
///             .set(|g, value| value.text().map(|word| g.word = word.to_owned())),
///         Key::new("times", Kind::Count, Reload::Live)
///             .allows("any number")
///             .doc("How many times to greet.")
///             .get(|g: &Self| g.times.to_string())
///             .set(|g, value| value.count().map(|times| g.times = times)),
///     ];
/// }
///
/// let mut greeter = Greeter::default();
/// greeter.set("word", &"hello".into())?;
/// assert_eq!(greeter.get("word").unwrap(), "hello");
/// assert!(greeter.set("times", &"often".into()).is_err());
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
pub trait SectionTable: Sized + 'static {
    /// The settings in the order of the manual.
    const SETTINGS: &'static [Setting<Self>];

    /// Returns the conflicts between settings; see [`Section::check`].
    fn conflicts(&self) -> Vec<(&'static str, ValueError)> {
        Vec::new()
    }
}

fn find<T: SectionTable>(path: &str) -> Option<&'static Setting<T>> {
    T::SETTINGS.iter().find(|setting| setting.key.path == path)
}

impl<T: SectionTable> Section for T {
    fn keys(&self) -> Vec<&'static Key> {
        T::SETTINGS.iter().map(|setting| &setting.key).collect()
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        match find::<T>(path) {
            Some(setting) => (setting.set)(self, value),
            None => Err(ValueError::new("no such key")),
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        find::<T>(path).map(|setting| (setting.get)(self))
    }

    fn check(&self) -> Vec<(&'static str, ValueError)> {
        self.conflicts()
    }
}
