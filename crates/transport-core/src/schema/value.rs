//! Values as a configuration contains them: booleans, counts, durations, sizes, paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Choice, ValueError};

/// An unparsed value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // A loader handles both forms.
pub enum Raw {
    /// A text.
    ///
    /// A number or boolean of a file is converted to its text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Raw {
    /// Returns the text of a single value, without blanks around it.
    ///
    /// # Errors
    /// When it is a list.
    pub fn text(&self) -> Result<&str, ValueError> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::List(_) => Err(ValueError::new("a single value is expected, not a list")),
        }
    }

    /// Returns the elements of a list; splits a text at commas.
    ///
    /// An empty text is an empty list.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let trim = |s: &str| s.trim().to_owned();
        match self {
            Self::Text(text) => text
                .split(',')
                .map(trim)
                .filter(|item| !item.is_empty())
                .collect(),
            Self::List(items) => items.iter().map(|item| trim(item)).collect(),
        }
    }

    /// Parses a boolean; see [`parse_bool`].
    ///
    /// # Errors
    /// As [`parse_bool`], and when it is a list.
    pub fn bool(&self) -> Result<bool, ValueError> {
        parse_bool(self.text()?)
    }

    /// Parses a whole number; see [`parse_count`].
    ///
    /// # Errors
    /// As [`parse_count`], and when it is a list.
    pub fn count(&self) -> Result<u64, ValueError> {
        parse_count(self.text()?)
    }

    /// Parses a duration; see [`parse_duration`].
    ///
    /// # Errors
    /// As [`parse_duration`], and when it is a list.
    pub fn duration(&self) -> Result<Duration, ValueError> {
        parse_duration(self.text()?)
    }

    /// Parses a number of bytes; see [`parse_size`].
    ///
    /// # Errors
    /// As [`parse_size`], and when it is a list.
    pub fn size(&self) -> Result<u64, ValueError> {
        parse_size(self.text()?)
    }

    /// Returns a path; `None` for an empty text.
    ///
    /// # Errors
    /// When it is a list.
    pub fn path(&self) -> Result<Option<PathBuf>, ValueError> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// Parses one of a few words.
    ///
    /// # Errors
    /// As [`Choice::from_word`], and when it is a list.
    pub fn choice<T: Choice>(&self) -> Result<T, ValueError> {
        T::from_word(self.text()?)
    }

    /// Parses one of a few words, in any case.
    ///
    /// # Errors
    /// As [`Choice::from_word`], and when it is a list.
    pub fn choice_in_any_case<T: Choice>(&self) -> Result<T, ValueError> {
        T::from_word(&self.text()?.to_ascii_lowercase())
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Parses `on`, `off`, `true`, `false` in any case.
///
/// # Errors
/// For anything else.
pub fn parse_bool(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(ValueError::new("expected on, off, true or false")),
    }
}

/// Formats a boolean as `true` or `false`.
#[must_use]
pub fn format_bool(value: bool) -> String {
    if value { "true" } else { "false" }.to_owned()
}

/// Parses a whole number.
///
/// # Errors
/// For anything but digits, and past `u64::MAX`.
pub fn parse_count(text: &str) -> Result<u64, ValueError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| ValueError::new("expected a whole number such as 1024"))
}

/// Parses `250ms`, `5s`, `2m`, `1h`; `0` and `off` are zero.
///
/// # Errors
/// Without a unit, with another unit, or past `u64::MAX` milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let wrong = || ValueError::new("expected a duration such as 250ms, 5s or 2m");
    if text == "0" || text.eq_ignore_ascii_case("off") {
        return Ok(Duration::ZERO);
    }
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(at);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let millis = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

/// Formats a duration in the largest unit that divides it.
///
/// One minute is `60s`.
#[must_use]
pub fn format_duration(value: Duration) -> String {
    let millis = value.as_millis();
    match millis {
        0 => "0s".to_owned(),
        m if m > 60_000 && m % 60_000 == 0 => format!("{}m", m / 60_000),
        m if m % 1_000 == 0 => format!("{}s", m / 1_000),
        m => format!("{m}ms"),
    }
}

/// Parses bytes: `65536`, `64KiB`, `8MiB`, `1GiB`; `off` is zero.
///
/// # Errors
/// With another unit (`KB` is ambiguous), or past `u64::MAX`.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    let wrong = || ValueError::new("expected a size such as 64KiB, 8MiB or a number of bytes");
    if text.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(at);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let scale = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).ok_or_else(wrong)
}

/// Formats a size in the largest unit that divides it.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    for (scale, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes % scale == 0 {
            return format!("{}{unit}", bytes / scale);
        }
    }
    bytes.to_string()
}

/// Formats an optional path; `None` is empty.
#[must_use]
pub fn format_path(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}
