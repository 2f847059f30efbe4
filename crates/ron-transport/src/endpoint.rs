//! Dial targets with their scheme.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use transport_core::escape::escape;
use transport_core::{Backend, Target, TargetError, TransportError};

use crate::scheme::Scheme;

/// A dial target with its scheme: `scheme://target`.
///
/// ```
/// use ron_transport::{Endpoint, Scheme};
///
/// let endpoint = Endpoint::tls("example.org", 443)?;
/// assert_eq!(endpoint.to_string(), "tls://example.org:443");
/// assert_eq!(endpoint.scheme(), Scheme::Tls);
/// assert_eq!("tls://example.org:443".parse::<Endpoint>().unwrap(), endpoint);
///
/// let local = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(local.to_string(), "tcp://127.0.0.1:80");
/// # Ok::<(), ron_transport::TargetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    target: Target,
}

impl Endpoint {
    /// A TCP target: a host and a port.
    ///
    /// The host is a name or an IP address.
    ///
    /// # Errors
    /// As [`Target::host`].
    pub fn tcp(host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        Self::host(Scheme::Tcp, host, port)
    }

    /// A TLS target over TCP. The certificate must be valid for the host.
    ///
    /// # Errors
    /// As [`Target::host`].
    pub fn tls(host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        Self::host(Scheme::Tls, host, port)
    }

    /// A Unix socket, by its absolute path.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            scheme: Scheme::Unix,
            target: Target::Unix(path.into()),
        }
    }

    /// A target over Tor: a host and a port.
    ///
    /// The host is a name, an IP address or an onion name.
    ///
    /// # Errors
    /// As [`Target::host`].
    pub fn tor(host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        Self::host(Scheme::Tor, host, port)
    }

    /// A TLS target over Tor.
    ///
    /// # Errors
    /// As [`Target::host`].
    pub fn tls_over_tor(host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        Self::host(Scheme::TlsOverTor, host, port)
    }

    /// A target of a custom dialer: `scheme://address`.
    ///
    /// The dialer reads the address. Each transport has its own custom schemes, so a dial reports a
    /// scheme without a dialer.
    ///
    /// # Errors
    /// As [`Target::custom`].
    pub fn custom(
        scheme: impl Into<String>,
        address: impl Into<String>,
    ) -> Result<Self, TargetError> {
        Self::of_custom(Scheme::Custom, scheme.into(), address.into())
    }

    /// A target of a custom dialer, with TLS over the connection.
    ///
    /// `tls_client.sni_override` has the name that the certificate must be valid for.
    ///
    /// # Errors
    /// As [`custom`](Self::custom).
    pub fn tls_over_custom(
        scheme: impl Into<String>,
        address: impl Into<String>,
    ) -> Result<Self, TargetError> {
        Self::of_custom(Scheme::TlsOverCustom, scheme.into(), address.into())
    }

    /// Parses a target of a built-in scheme.
    ///
    /// For configuration of programs without raw dialers: a misspelled scheme is an error here, and
    /// not only when it is dialed.
    ///
    /// # Errors
    /// When the scheme is not built in, or the target is not valid.
    pub fn parse_built_in(text: &str) -> Result<Self, EndpointError> {
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

    /// Parses a target of a custom scheme; `None` for another form.
    fn parse_custom(text: &str) -> Option<Self> {
        let (name, address) = text.split_once("://")?;
        let (scheme, name) = match name.strip_prefix("tls+") {
            Some(name) => (Scheme::TlsOverCustom, name),
            None => (Scheme::Custom, name),
        };
        Self::of_custom(scheme, name.to_owned(), address.to_owned()).ok()
    }

    fn of_custom(scheme: Scheme, name: String, address: String) -> Result<Self, TargetError> {
        let target = Target::custom(name, address)?;
        Ok(Self { scheme, target })
    }

    fn host(scheme: Scheme, host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        let target = Target::host(host, port)?;
        Ok(Self { scheme, target })
    }

    /// Returns the scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the target without its scheme.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the form for logs.
    ///
    /// For a Tor or onion target, it is the scheme only. The address of a custom scheme is shown.
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

/// A TCP target. The scope of an IPv6 address is lost.
impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Tcp,
            target: Target::Host {
                host: addr.ip().to_string(),
                port: addr.port(),
            },
        }
    }
}

impl From<&Self> for Endpoint {
    fn from(endpoint: &Self) -> Self {
        endpoint.clone()
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &str) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl TryFrom<&String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Parses a target of a built-in or custom scheme.
    ///
    /// Only a transport knows its custom schemes, so a scheme without a dialer fails when it is
    /// dialed. [`parse_built_in`](Endpoint::parse_built_in) knows the built-in ones only.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::parse_built_in(text).or_else(|error| Self::parse_custom(text).ok_or(error))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Target::Custom { scheme, address } = &self.target {
            let tls = match self.scheme {
                Scheme::TlsOverCustom => "tls+",
                _ => "",
            };
            return write!(f, "{tls}{scheme}://{address}");
        }
        write!(f, "{}://{}", self.scheme.as_str(), self.target)
    }
}

/// The reason why a text is not an [`Endpoint`].
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
            Some(error) => write!(f, "{text} is not a valid target: {error}"),
            None => write!(
                f,
                "{text} is not a valid target: expected tcp://host:port, tls://host:port, \
                 unix:///path, tor://host:port or tls+tor://host:port"
            ),
        }
    }
}

impl std::error::Error for EndpointError {}

impl From<EndpointError> for TransportError {
    fn from(error: EndpointError) -> Self {
        Self::Config {
            source: error.into(),
        }
    }
}

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
            "vsock://3:1234",
            "tls+vsock://3:1234",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn constructors_match_parsed_text() {
        let parsed = |text: &str| text.parse::<Endpoint>().unwrap();
        let v6 = SocketAddr::from(([0_u16, 0, 0, 0, 0, 0, 0, 1], 443));
        for (built, text) in [
            (Endpoint::tcp("a", 1).unwrap(), "tcp://a:1"),
            (Endpoint::tls("::1", 443).unwrap(), "tls://[::1]:443"),
            (Endpoint::unix("/run/x"), "unix:///run/x"),
            (Endpoint::tor("x.onion", 80).unwrap(), "tor://x.onion:80"),
            (Endpoint::tls_over_tor("a", 1).unwrap(), "tls+tor://a:1"),
            (Endpoint::from(v6), "tcp://[::1]:443"),
            (Endpoint::custom("vsock", "3:1").unwrap(), "vsock://3:1"),
            (
                Endpoint::tls_over_custom("vsock", "3:1").unwrap(),
                "tls+vsock://3:1",
            ),
        ] {
            assert_eq!(built, parsed(text));
        }
        assert!(Endpoint::tcp("a", 0).is_err());
    }

    #[test]
    fn tor_target_hidden_in_loggable_form() {
        let loggable = |text: &str| text.parse::<Endpoint>().unwrap().loggable();
        assert_eq!(loggable("tls://a.example:1"), "tls://a.example:1");
        assert_eq!(loggable("tor://x.onion:80"), "tor://<hidden>");
        assert_eq!(loggable("tcp://x.onion:80"), "tcp://<hidden>");
        assert_eq!(loggable("tls+tor://a.example:1"), "tls+tor://<hidden>");
    }

    #[test]
    fn invalid_endpoint_error_lists_the_forms() {
        for text in [
            "",
            "a:1",
            "HTTP://a:1",
            "vsock://",
            "tls+tls://a:1",
            "tls+uds://a:1",
            "://a:1",
            "unix://run/x",
            "tcp://a",
            "tcp://a:0",
            "tcp://",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        let error = "tcp:a:1".parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains("tcp://host:port"), "{error}");
    }
}
