//! Values as people write them: booleans, counts, durations, sizes.

use std::fmt;
use std::time::Duration;

/// A value before it is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// One text; a number or boolean of a file is turned into its text first.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

impl Raw {
    /// The text of a single value.
    ///
    /// # Errors
    /// When it is a list.
    pub fn text(&self) -> Result<&str, ValueError> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::List(_) => Err(ValueError::new("a single value is expected, not a list")),
        }
    }

    /// The elements of a list; a text is split at commas, an empty one is an empty list.
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
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Why a value cannot be used: a sentence that says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(String);

impl ValueError {
    /// From what is wrong or allowed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

/// Reads `on`, `off`, `true`, `false` in any case.
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

/// Writes a boolean as it would be read.
#[must_use]
pub fn format_bool(value: bool) -> String {
    if value { "true" } else { "false" }.to_owned()
}

/// Reads a whole number.
///
/// # Errors
/// For anything but digits, and past `u64::MAX`.
pub fn parse_count(text: &str) -> Result<u64, ValueError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| ValueError::new("expected a whole number such as 1024"))
}

/// Reads `250ms`, `5s`, `2m`, `1h`; `0` and `off` are zero.
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

/// Writes a duration in the largest unit that keeps it whole; one minute is `60s`.
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

/// Reads a number of bytes: `65536`, `64KiB`, `8MiB`, `1GiB`; `off` is zero.
///
/// # Errors
/// With another unit (`KB` is ambiguous and refused), or past `u64::MAX`.
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

/// Writes a size in the largest unit that keeps it whole.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    for (scale, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes % scale == 0 {
            return format!("{}{unit}", bytes / scale);
        }
    }
    bytes.to_string()
}
