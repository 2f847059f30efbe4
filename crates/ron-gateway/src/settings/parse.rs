//! Parsers for values of `[gateway]`.

use std::fmt;

use ron_transport::schema::{format_size, parse_size, Raw, ValueError};
use ron_transport::Endpoint;

use crate::upstream::MAX_TARGETS;

/// Longest host name in bytes (RFC 1035 §2.3.4 less the root dot).
const MAX_HOST_BYTES: usize = 253;

/// Parses targets that this build can dial, each at most once.
pub(super) fn parse_targets(value: &Raw) -> Result<Vec<Endpoint>, ValueError> {
    let mut targets = Vec::new();
    for text in value.list() {
        if text.contains(',') {
            // The environment and flags separate targets by commas.
            let what = format!("{text:?} contains a comma, which separates targets");
            return Err(ValueError::new(what));
        }
        let target = dialable(&text)?;
        if targets.contains(&target) {
            return Err(ValueError::new(format!("lists {text:?} twice")));
        }
        targets.push(target);
    }
    if targets.len() > MAX_TARGETS {
        let count = targets.len();
        let what = format!("lists {count} targets; at most {MAX_TARGETS} are allowed");
        return Err(ValueError::new(what));
    }
    Ok(targets)
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
    fn invalid_target_lists_are_refused() {
        let targets = |items: &[&str]| {
            let items = items.iter().map(ToString::to_string).collect();
            parse_targets(&Raw::List(items))
        };
        assert_eq!(targets(&["tcp://a:1", "tcp://b:1"]).unwrap().len(), 2);
        assert_eq!(parse_targets(&"".into()), Ok(Vec::new()));
        assert_eq!(
            parse_targets(&"tcp://a:1, tcp://b:1".into()).unwrap().len(),
            2
        );
        for wrong in [
            &["tcp://a:1", "tcp://a:1"][..],
            &["tcp://a:1,tcp://b:1"],
            &["a"],
            &[""],
        ] {
            assert!(targets(wrong).is_err(), "{wrong:?}");
        }
        let many: Vec<_> = (1..=65).map(|port| format!("tcp://a:{port}")).collect();
        let error = parse_targets(&Raw::List(many)).unwrap_err().to_string();
        assert!(error.contains("at most 64"), "{error}");
    }

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
