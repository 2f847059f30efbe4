//! Parsers for values of `[gateway]`.

use std::fmt;

use ron_transport::schema::{format_size, parse_size, ValueError};
use ron_transport::Endpoint;

/// Longest host name in bytes (RFC 1035 §2.3.4 less the root dot).
const MAX_HOST_BYTES: usize = 253;

/// Parses an endpoint that this build can dial.
///
/// An empty text is none.
pub(super) fn parse_endpoint(text: &str) -> Result<Option<Endpoint>, ValueError> {
    if text.is_empty() {
        return Ok(None);
    }
    dialable(text).map(Some)
}

/// Parses an endpoint that this build can dial.
///
/// The error names a missing feature.
pub(crate) fn dialable(text: &str) -> Result<Endpoint, ValueError> {
    let endpoint =
        Endpoint::parse_built_in(text).map_err(|error| ValueError::new(error.to_string()))?;
    match endpoint.scheme().missing_backend() {
        None => Ok(endpoint),
        Some(feature) => Err(ValueError::new(format!(
            "this build cannot dial {}: it needs the feature `{feature}`",
            endpoint.scheme().as_str()
        ))),
    }
}

/// Parses a host name without port.
///
/// Converts it to lower case without a final dot.
pub(super) fn parse_host(text: &str) -> Result<String, ValueError> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > MAX_HOST_BYTES || !name.chars().all(is_part) {
        return Err(ValueError::new(format!(
            "{text:?} is not a host name: expected a name such as gateway.example, without port, \
             scheme or wildcard"
        )));
    }
    Ok(name)
}

/// The memory above which new connections are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryPressure {
    /// The limits of the cgroup.
    Auto,
    /// No limit.
    Off,
    /// The limits of the cgroup, and this many bytes of resident memory.
    Bytes(u64),
}

/// Twice the memory of an idle gateway.
///
/// With less it might never accept.
const MIN_MEMORY: u64 = 16 << 20;

impl MemoryPressure {
    pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            size => parse_size(size)
                .ok()
                .filter(|bytes| *bytes >= MIN_MEMORY)
                .map(Self::Bytes)
                .ok_or_else(|| {
                    ValueError::new("must be auto, off, or a size of at least 16MiB such as 512MiB")
                }),
        }
    }
}

impl fmt::Display for MemoryPressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Bytes(bytes) => f.write_str(&format_size(*bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_with_port_or_wildcard_is_refused() {
        assert_eq!(parse_host("Gateway.Example.").unwrap(), "gateway.example");
        for text in [
            "",
            ".",
            "a:80",
            "*.example",
            "http://a",
            "[::1]",
            "a b",
            "ä",
        ] {
            assert!(parse_host(text).is_err(), "{text}");
        }
        assert!(parse_host(&"a".repeat(254)).is_err());
    }
}
