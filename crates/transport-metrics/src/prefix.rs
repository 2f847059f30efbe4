//! A prefix of metric names.

use std::fmt;
use std::str::FromStr;

use transport_core::schema::ValueError;

/// Most characters of a prefix.
const MAX_LEN: usize = 64;

/// A prefix of all metric names of an embedder, such as `myapp_`.
///
/// The default is empty. A prefix has up to 64 characters `a`–`z`, `A`–`Z`, `0`–`9` and `_`, and
/// begins with a letter or `_`. The separator belongs to it.
///
/// The embedder sets the same prefix for the names and for the buckets:
/// `TransportBuilder::metrics_prefix` or [`MetricsBuilder::prefix`](crate::MetricsBuilder::prefix),
/// and `Prometheus::with_prefix`.
///
/// ```
/// use transport_metrics::{names, MetricsPrefix};
///
/// let prefix: MetricsPrefix = "myapp_".parse()?;
/// assert_eq!(prefix.name(names::ACCEPTS), "myapp_transport_accepts_total");
/// assert!("my app".parse::<MetricsPrefix>().is_err());
/// # Ok::<(), transport_core::schema::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricsPrefix(String);

impl MetricsPrefix {
    /// Returns the name of a metric with this prefix.
    #[must_use]
    pub fn name(&self, metric: &'static str) -> String {
        format!("{}{metric}", self.0)
    }
}

impl FromStr for MetricsPrefix {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins_with_digit = text.starts_with(|c: char| c.is_ascii_digit());
        if text.len() <= MAX_LEN && !begins_with_digit && text.chars().all(is_name) {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(format!(
            "the metrics prefix {text:?} must have up to {MAX_LEN} characters a-z, A-Z, 0-9 and _, \
             and must not begin with a digit",
        )))
    }
}

impl fmt::Display for MetricsPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_with_valid_characters() {
        for text in ["", "a", "My_app9_", "_"] {
            let prefix: MetricsPrefix = text.parse().unwrap();
            assert_eq!(prefix.name("x"), format!("{text}x"));
        }
    }

    #[test]
    fn prefixes_with_invalid_characters() {
        for text in ["1a", "a b", "a-", "a:", "a\"", "ä", &"x".repeat(65)] {
            assert!(text.parse::<MetricsPrefix>().is_err(), "{text}");
        }
    }
}
