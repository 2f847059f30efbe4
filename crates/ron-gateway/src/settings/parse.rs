//! Values of `[gateway]`, from text.

use std::fmt;
use std::net::SocketAddr;

use ron_transport::core::schema::{format_size, parse_size, ValueError};
use ron_transport::Endpoint;

use super::Mode;

pub(super) fn parse_mode(text: &str) -> Result<Mode, ValueError> {
    [Mode::Echo, Mode::EchoFrames, Mode::Forward]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| ValueError::new("no such mode"))
}

/// An endpoint that this build can dial; an empty text is none.
pub(super) fn parse_endpoint(text: &str) -> Result<Option<Endpoint>, ValueError> {
    if text.is_empty() {
        return Ok(None);
    }
    dialable(text).map(Some)
}

/// An endpoint that this build can dial; the error names the feature that is missing.
pub(crate) fn dialable(text: &str) -> Result<Endpoint, ValueError> {
    let endpoint: Endpoint = text
        .parse()
        .map_err(|error: ron_transport::EndpointError| ValueError::new(error.to_string()))?;
    match endpoint.scheme.missing_backend() {
        None => Ok(endpoint),
        Some(feature) => Err(ValueError::new(format!(
            "this build cannot dial {}: it needs the feature `{feature}`",
            endpoint.scheme.as_str()
        ))),
    }
}

pub(super) fn parse_addr(text: &str) -> Result<Option<SocketAddr>, ValueError> {
    if text.is_empty() {
        return Ok(None);
    }
    let addr = text
        .parse()
        .map_err(|_| ValueError::new("not an IP address and port"))?;
    Ok(Some(addr))
}

/// Above which memory new connections are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryPressure {
    /// The limits of the control group.
    Auto,
    /// None.
    Off,
    /// The limits of the control group, and these bytes of resident memory.
    Bytes(u64),
}

/// An idle gateway has half of it: below, it might never accept.
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
