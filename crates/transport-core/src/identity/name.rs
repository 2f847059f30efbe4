//! A subject alternative name.

use std::fmt;
use std::net::IpAddr;

/// A subject alternative name with its type (RFC 5280 §4.2.1.6).
///
/// Names of two types are never equal, whatever their texts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerName {
    /// A DNS name as the certificate spells it.
    ///
    /// The leftmost label may be `*`.
    DnsName(Box<str>),
    /// An absolute URI.
    Uri(Box<str>),
    /// An IP address. A v4-mapped IPv6 address is an IPv6 address.
    Ip(IpAddr),
    /// An e-mail address.
    Email(Box<str>),
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DnsName(text) | Self::Uri(text) | Self::Email(text) => f.write_str(text),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}
