//! Names of backends, peers and dial targets.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::escape::escape;

/// Longest host name of a [`Target`] in bytes.
///
/// The limit of RFC 1035 §2.3.4, less the root dot.
const MAX_HOST_BYTES: usize = 253;
/// Longest name of a custom scheme in bytes: a metric label.
const MAX_SCHEME_BYTES: usize = 32;
/// The names of built-in backends and schemes.
const BUILT_IN: [&str; 6] = ["tcp", "tls", "uds", "unix", "tor", "arti"];
/// Longest address of a custom target in bytes.
const MAX_ADDRESS_BYTES: usize = 1024;

/// A kind of transport; the value of the metric label `backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// TCP.
    Tcp,
    /// TLS over another backend.
    Tls,
    /// Unix domain sockets.
    Uds,
    /// Tor, in process, through Arti.
    Arti,
    /// A backend of the embedder, by its name.
    ///
    /// The name is a metric label, so a program has few of them, all known when it starts.
    Custom(&'static str),
}

impl Backend {
    /// All built-in backends, in the order of [`index`](Self::index).
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Uds, Self::Arti];

    /// Returns the value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Uds => "uds",
            Self::Arti => "arti",
            Self::Custom(name) => name,
        }
    }

    /// Returns the position in [`Backend::ALL`]; `None` for a custom backend.
    #[must_use]
    pub const fn index(self) -> Option<usize> {
        match self {
            Self::Tcp => Some(0),
            Self::Tls => Some(1),
            Self::Uds => Some(2),
            Self::Arti => Some(3),
            Self::Custom(_) => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address of a peer, from the raw accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// Address and port of an IP peer.
    Ip(SocketAddr),
    /// User id of the process that holds a Unix socket's other end.
    Uid(u32),
    /// Number of the rendezvous circuit of an onion-service client.
    Circuit(u64),
    /// Number of a custom backend's peer, such as a vsock CID.
    ///
    /// All connections of a peer have the same number, and different peers have different numbers:
    /// the limits per peer (`per_peer.*`) count by it. With a number per connection those limits
    /// never apply, and with one number for all peers they apply to all peers together. It appears
    /// in logs.
    Other(u64),
}

impl PeerAddr {
    /// Returns the IP address of an IP peer.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(addr) => Some(addr.ip()),
            Self::Uid(_) | Self::Circuit(_) | Self::Other(_) => None,
        }
    }

    /// Returns the form for logs; `None` for a Tor peer.
    #[must_use]
    pub fn loggable(&self) -> Option<String> {
        match self {
            Self::Ip(addr) => Some(addr.to_string()),
            Self::Uid(uid) => Some(format!("uid:{uid}")),
            Self::Circuit(_) => None,
            Self::Other(number) => Some(format!("other:{number}")),
        }
    }
}

/// The target of a dial.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A host name or address literal, and a port.
    ///
    /// An IPv6 literal has no brackets.
    Host {
        /// Name or address literal.
        host: String,
        /// Port, never 0.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// An address that only a custom dialer can read.
    Custom {
        /// The scheme before `://`.
        scheme: String,
        /// The text after `://`, unchanged.
        address: String,
    },
}

/// A text that is no [`Target`], and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError(String);

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Creates a target from a host and a port.
    ///
    /// # Errors
    /// When the host is empty, longer than 253 bytes or has an invalid character, or when the port
    /// is 0.
    pub fn host(host: impl Into<String>, port: u16) -> Result<Self, TargetError> {
        let host = host.into();
        let literal = host.parse::<Ipv6Addr>().is_ok();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > MAX_HOST_BYTES {
            return Err(TargetError(format!(
                "host must have 1 to {MAX_HOST_BYTES} characters"
            )));
        }
        if !literal && !host.chars().all(plain) {
            let shown = escape(&host).quoted();
            return Err(TargetError(format!("{shown} is no host name or address")));
        }
        if port == 0 {
            return Err(TargetError("port must be 1 to 65535".into()));
        }
        Ok(Self::Host { host, port })
    }

    /// Creates the target of a custom dialer, `scheme://address`.
    ///
    /// # Errors
    /// When the scheme is no [custom name](Self::is_custom_name), or when the address is empty,
    /// longer than 1,024 bytes or contains a control character.
    pub fn custom(
        scheme: impl Into<String>,
        address: impl Into<String>,
    ) -> Result<Self, TargetError> {
        let (scheme, address) = (scheme.into(), address.into());
        if !Self::is_custom_name(&scheme) {
            let shown = escape(&scheme).quoted();
            return Err(TargetError(format!(
                "{shown} is no custom scheme: its name has 1 to {MAX_SCHEME_BYTES} of a-z, 0-9 and \
                 '-', starts with a letter and is not {}",
                BUILT_IN.join(", ")
            )));
        }
        if address.is_empty() || address.len() > MAX_ADDRESS_BYTES {
            return Err(TargetError(format!(
                "the address after {scheme}:// must have 1 to {MAX_ADDRESS_BYTES} bytes"
            )));
        }
        if address.chars().any(char::is_control) {
            let shown = escape(&address).quoted();
            return Err(TargetError(format!("{shown} contains a control character")));
        }
        Ok(Self::Custom { scheme, address })
    }

    /// Returns whether a text can name a custom scheme or backend.
    ///
    /// Such a name has 1 to 32 lower-case letters, digits and hyphens, starts with a letter, and is
    /// not `tcp`, `tls`, `uds`, `unix`, `tor` or `arti`.
    #[must_use]
    pub fn is_custom_name(name: &str) -> bool {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        name.len() <= MAX_SCHEME_BYTES
            && !BUILT_IN.contains(&name)
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(allowed)
    }

    /// Returns whether it is the name of an onion service.
    ///
    /// Only Tor resolves it. It must not reach a resolver (RFC 7686) or a log.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        let Self::Host { host, .. } = self else {
            return false;
        };
        let name = host.strip_suffix('.').unwrap_or(host);
        let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
        ending.eq_ignore_ascii_case("onion")
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Parses `host:port` or `[v6]:port`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let form = || {
            let shown = escape(text).quoted();
            TargetError(format!("{shown} is not of the form host:port"))
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or_else(form)?;
                inner.parse::<Ipv6Addr>().map_err(|_| form())?;
                inner
            }
            None if host.contains(':') => return Err(form()),
            None => host,
        };
        let port = port
            .parse()
            .map_err(|_| TargetError(format!("{} is no port", escape(port).quoted())))?;
        Self::host(host, port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Custom { address, .. } => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_round_trip() {
        for text in [
            "example.org:443",
            "127.0.0.1:1",
            "[::1]:65535",
            "a_b-c.onion:80",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn onion_name_ends_with_onion() {
        for (text, onion) in [
            ("abc.onion:80", true),
            ("sub.ABC.Onion.:80", true),
            ("onion:80", true),
            ("onion.example:80", false),
            ("abconion:80", false),
            ("127.0.0.1:80", false),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().is_onion(), onion, "{text}");
        }
        assert!(!Target::Unix("/run/a.onion".into()).is_onion());
    }

    #[test]
    fn invalid_target_is_refused() {
        let long = format!("{}:1", "a".repeat(254));
        for text in [
            "",
            ":1",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "::1:80",
            "[::1:80",
            "[x]:1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        assert!("a b:1".parse::<Target>().is_err());
        assert!("a\n:1".parse::<Target>().is_err());
        assert!(long.parse::<Target>().is_err());
    }

    #[test]
    fn tor_peer_is_not_loggable() {
        assert_eq!(PeerAddr::Circuit(7).loggable(), None);
        assert_eq!(PeerAddr::Uid(3).loggable().unwrap(), "uid:3");
        assert_eq!(PeerAddr::Other(3).loggable().unwrap(), "other:3");
    }

    #[test]
    fn index_matches_all() {
        for (at, backend) in Backend::ALL.iter().enumerate() {
            assert_eq!(backend.index(), Some(at));
        }
        assert_eq!(Backend::Custom("vsock").index(), None);
        assert_eq!(Backend::Custom("vsock").to_string(), "vsock");
    }

    #[test]
    fn custom_target_keeps_its_address() {
        let target = Target::custom("vsock", "3:1234?x#y").unwrap();
        assert_eq!(target.to_string(), "3:1234?x#y");
        assert!(!target.is_onion());
        let long = "a".repeat(33);
        for (scheme, address) in [
            ("", "a"),
            ("VSOCK", "a"),
            ("1a", "a"),
            ("tls+x", "a"),
            ("a_b", "a"),
            ("uds", "a"),
            ("unix", "a"),
            (long.as_str(), "a"),
            ("vsock", ""),
            ("vsock", "a\nb"),
            ("vsock", "x".repeat(1025).as_str()),
        ] {
            assert!(
                Target::custom(scheme, address).is_err(),
                "{scheme} {address}"
            );
        }
        assert!(Target::custom("a-1", "x".repeat(1024)).is_ok());
    }
}
