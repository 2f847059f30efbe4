//! The facts that a PROXY protocol header announces about a connection.

use std::net::SocketAddr;

use crate::PeerAddr;

/// The version of a PROXY protocol header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // The protocol has these two.
pub enum ProxyVersion {
    /// The text header.
    V1,
    /// The binary header.
    V2,
}

impl ProxyVersion {
    /// Both versions, in the order of the discriminants.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Returns the value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The outcome of reading a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyResult {
    /// The header announced an IP address.
    Ok,
    /// The header announced no IP address: `LOCAL`, `UNKNOWN`, or a Unix socket.
    NoAddress,
    /// The bytes are not a valid header.
    Malformed,
    /// The header is longer than 1,024 bytes.
    TooLarge,
    /// The CRC32C checksum differs.
    Checksum,
    /// The header was incomplete at its deadline.
    ///
    /// Or a drain ended before it was complete.
    Timeout,
    /// The hop closed the connection before the first byte.
    Closed,
    /// The peer is no trusted hop, and a header is required.
    Untrusted,
}

impl ProxyResult {
    /// All results, in the order of the discriminants.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NoAddress,
        Self::Malformed,
        Self::TooLarge,
        Self::Checksum,
        Self::Timeout,
        Self::Closed,
        Self::Untrusted,
    ];

    /// Returns the value of the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoAddress => "no_address",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Checksum => "checksum",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Untrusted => "untrusted",
        }
    }
}

/// The facts of a PROXY protocol header.
///
/// A trusted hop announced them; this process has verified none of them. Escape texts before you log
/// them: the peer may control authority, ALPN and common name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxied {
    /// The version of the header.
    pub version: ProxyVersion,
    /// The hop that sent the header.
    ///
    /// `None` before a listener has set it.
    pub via: Option<PeerAddr>,
    /// The addresses of the connection that the hop accepted.
    pub addrs: ProxiedAddrs,
    /// The host name that the client requested, such as the SNI (`PP2_TYPE_AUTHORITY`).
    pub authority: Option<Box<str>>,
    /// The negotiated application protocol (`PP2_TYPE_ALPN`).
    pub alpn: Option<Box<[u8]>>,
    /// The client's TLS session with the hop (`PP2_TYPE_SSL`).
    pub tls: Option<ProxiedTls>,
    /// The hop's identifier of the connection (`PP2_TYPE_UNIQUE_ID`).
    pub unique_id: Option<Box<[u8]>>,
}

impl Proxied {
    /// Describes a header without addresses and other facts.
    #[must_use]
    pub const fn new(version: ProxyVersion) -> Self {
        Self {
            version,
            via: None,
            addrs: ProxiedAddrs::Unknown,
            authority: None,
            alpn: None,
            tls: None,
            unique_id: None,
        }
    }

    /// Returns the announced IP address of the client.
    #[must_use]
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.addrs {
            ProxiedAddrs::Ip { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Returns the announced IP address that the client connected to.
    #[must_use]
    pub const fn destination(&self) -> Option<SocketAddr> {
        match self.addrs {
            ProxiedAddrs::Ip { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// Returns the identifier as text.
    ///
    /// It is hexadecimal unless all bytes are printable ASCII.
    #[must_use]
    pub fn unique_id_text(&self) -> Option<String> {
        let id = self.unique_id.as_deref()?;
        let printable = !id.is_empty() && id.iter().all(u8::is_ascii_graphic);
        Some(match std::str::from_utf8(id) {
            Ok(text) if printable => text.to_owned(),
            _ => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

/// The addresses in a PROXY header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxiedAddrs {
    /// None: `LOCAL`, `UNKNOWN`, or an unspecified family.
    Unknown,
    /// IP addresses and ports. A v4-mapped IPv6 address is converted to IPv4.
    Ip {
        /// The client.
        source: SocketAddr,
        /// The address that the client connected to.
        destination: SocketAddr,
    },
    /// Paths of Unix sockets, without the padding.
    Unix {
        /// The client's socket; often empty.
        source: Box<[u8]>,
        /// The socket that the client connected to.
        destination: Box<[u8]>,
    },
}

/// The client's TLS session with the hop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProxiedTls {
    /// Whether the client presented a certificate on this connection.
    pub client_cert: bool,
    /// Whether the client presented a certificate in this session.
    ///
    /// In a resumed session, that was on an earlier connection.
    pub session_cert: bool,
    /// Whether the hop verified the client's certificate.
    pub verified: bool,
    /// The version, such as `TLSv1.3`.
    pub version: Option<Box<str>>,
    /// The cipher suite, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: Option<Box<str>>,
    /// The common name in the client's certificate.
    pub common_name: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_match_discriminants() {
        for (at, result) in ProxyResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, at);
        }
        for (at, version) in ProxyVersion::ALL.into_iter().enumerate() {
            assert_eq!(version as usize, at);
        }
    }

    #[test]
    fn binary_unique_id_is_hexadecimal() {
        let mut facts = Proxied::new(ProxyVersion::V2);
        assert_eq!(facts.unique_id_text(), None);
        for (id, text) in [
            (&b"req-7"[..], "req-7"),
            (b"\x01\xff", "01ff"),
            (b"a b", "612062"),
            (b"", ""),
        ] {
            facts.unique_id = Some(id.into());
            assert_eq!(facts.unique_id_text().unwrap(), text);
        }
    }
}
