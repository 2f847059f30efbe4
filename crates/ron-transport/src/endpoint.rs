//! Where to dial and through what: `scheme://target`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use transport_core::escape::escape;
use transport_core::{Backend, Target, TargetError};

use crate::config::COMPILED_BACKENDS;

/// The transports that a scheme names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `tcp://host:port`
    Tcp,
    /// `tls://host:port`
    Tls,
    /// `unix:///path`
    Unix,
    /// `tor://host:port`, an onion name too
    Tor,
    /// `tls+tor://host:port`
    TlsOverTor,
}

impl Scheme {
    const ALL: [Self; 5] = [
        Self::Tcp,
        Self::Tls,
        Self::Unix,
        Self::Tor,
        Self::TlsOverTor,
    ];

    /// The text before `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Unix => "unix",
            Self::Tor => "tor",
            Self::TlsOverTor => "tls+tor",
        }
    }

    /// The backends it goes through, outermost first.
    #[must_use]
    pub const fn backends(self) -> &'static [Backend] {
        match self {
            Self::Tcp => &[Backend::Tcp],
            Self::Tls => &[Backend::Tls],
            Self::Unix => &[Backend::Uds],
            Self::Tor => &[Backend::Arti],
            Self::TlsOverTor => &[Backend::Tls, Backend::Arti],
        }
    }

    /// Whether who ends his own direction of such a connection may still be answered: not over Tor.
    /// What is relayed to there is relayed by [`relay_without_half_close`](crate::relay_without_half_close).
    #[must_use]
    pub const fn half_closes(self) -> bool {
        !matches!(self, Self::Tor | Self::TlsOverTor)
    }

    /// The first backend it goes through that this build does not have; cargo features are named
    /// after backends.
    #[must_use]
    pub fn missing_backend(self) -> Option<Backend> {
        let mut needed = self.backends().iter();
        needed
            .find(|backend| !COMPILED_BACKENDS.contains(backend))
            .copied()
    }
}

/// A dial target with its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What carries the connection.
    pub scheme: Scheme,
    /// Where it goes.
    pub target: Target,
}

impl Endpoint {
    /// The form that may appear in a log: of a Tor target the scheme alone.
    #[must_use]
    pub fn loggable(&self) -> String {
        let over_tor = self.scheme.backends().contains(&Backend::Arti);
        if over_tor || self.target.is_onion() {
            format!("{}://<hidden>", self.scheme.as_str())
        } else {
            self.to_string()
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = |error| EndpointError {
            text: text.to_owned(),
            error,
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(None))?;
        let scheme = Scheme::ALL
            .into_iter()
            .find(|known| known.as_str() == scheme)
            .ok_or_else(|| wrong(None))?;
        let target = match scheme {
            Scheme::Unix if rest.starts_with('/') => Target::Unix(PathBuf::from(rest)),
            Scheme::Unix => return Err(wrong(None)),
            _ => rest.parse().map_err(|error| wrong(Some(error)))?,
        };
        Ok(Self { scheme, target })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.target)
    }
}

/// Why a text is no [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointError {
    text: String,
    error: Option<TargetError>,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, error } = self;
        let text = escape(text).quoted();
        match error {
            Some(error) => write!(f, "{text} is no target: {error}"),
            None => write!(
                f,
                "{text} is no target: expected tcp://host:port, tls://host:port, \
                 unix:///path, tor://host:port or tls+tor://host:port"
            ),
        }
    }
}

impl std::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_round_trip() {
        for text in [
            "tcp://a:1",
            "tls://[::1]:443",
            "unix:///run/x",
            "tor://x.onion:80",
            "tls+tor://a:1",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_tor_target_is_in_no_log() {
        let loggable = |text: &str| text.parse::<Endpoint>().unwrap().loggable();
        assert_eq!(loggable("tls://a.example:1"), "tls://a.example:1");
        assert_eq!(loggable("tor://x.onion:80"), "tor://<hidden>");
        assert_eq!(loggable("tcp://x.onion:80"), "tcp://<hidden>");
        assert_eq!(loggable("tls+tor://a.example:1"), "tls+tor://<hidden>");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_forms() {
        for text in [
            "",
            "a:1",
            "http://a:1",
            "unix://run/x",
            "tcp://a",
            "tcp://a:0",
            "tcp://",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        let error = "udp://a:1".parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains("tcp://host:port"), "{error}");
    }
}
