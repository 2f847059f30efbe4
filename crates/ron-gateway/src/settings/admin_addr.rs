//! The address of the admin endpoint.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ron_transport::schema::ValueError;

/// Prefix of a Unix socket address.
const UNIX: &str = "unix:";

/// The address of the admin endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AdminAddr {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    #[cfg_attr(not(feature = "uds"), allow(dead_code))]
    Unix(PathBuf),
}

impl AdminAddr {
    /// Parses `127.0.0.1:9909` or `unix:/path`; empty text is `None`.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, ValueError> {
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(path) = text.strip_prefix(UNIX) {
            return unix(path).map(Some);
        }
        let addr = text.parse().map_err(|_| {
            ValueError::new("neither an IP address and port nor unix: and an absolute path")
        })?;
        Ok(Some(Self::Ip(addr)))
    }

    /// Returns whether only processes on this host reach it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Ip(addr) => addr.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Returns whether the kernel reports the user of a request.
    pub(crate) const fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

#[cfg(feature = "uds")]
fn unix(path: &str) -> Result<AdminAddr, ValueError> {
    let mut rules = ron_transport::uds::UdsConfig::default();
    rules.set_path(path)?;
    match rules.path() {
        Some(path) => Ok(AdminAddr::Unix(path.to_owned())),
        None => Err(ValueError::new("unix: needs an absolute path")),
    }
}

#[cfg(not(feature = "uds"))]
fn unix(_: &str) -> Result<AdminAddr, ValueError> {
    Err(ValueError::new(
        "this build has no Unix sockets: it needs the feature `uds`",
    ))
}

impl fmt::Display for AdminAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_without_port_is_rejected() {
        for text in ["127.0.0.1", "localhost:9909", "/run/admin", "unix"] {
            assert!(AdminAddr::parse(text).is_err(), "{text}");
        }
        assert_eq!(AdminAddr::parse(""), Ok(None));
    }

    #[test]
    fn loopback_and_unix_are_local() {
        let local = |text: &str| AdminAddr::parse(text).unwrap().unwrap().is_local();
        assert!(local("127.0.0.2:1") && local("[::1]:1") && local("[::ffff:127.0.0.1]:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.0.2.1:1"));
        #[cfg(feature = "uds")]
        assert!(local("unix:/run/ron/admin"));
    }

    #[cfg(feature = "uds")]
    #[test]
    fn unix_path_must_be_absolute() {
        let addr = AdminAddr::parse("unix:/run/ron/admin").unwrap().unwrap();
        assert!(addr.is_unix());
        assert_eq!(addr.to_string(), "unix:/run/ron/admin");
        for text in ["unix:", "unix:admin", "unix:@admin", "unix:/run/"] {
            assert!(AdminAddr::parse(text).is_err(), "{text}");
        }
    }
}
