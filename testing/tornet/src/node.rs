//! Which nodes a private network has, and what stays the same about each of them over restarts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// A node of the private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Node {
    Auth1,
    Auth2,
    Auth3,
    Middle,
    Exit,
}

impl Node {
    /// Every node, the authorities first.
    pub const ALL: [Self; 5] = [
        Self::Auth1,
        Self::Auth2,
        Self::Auth3,
        Self::Middle,
        Self::Exit,
    ];

    /// What the consensus calls it.
    pub fn nickname(self) -> &'static str {
        match self {
            Self::Auth1 => "auth1",
            Self::Auth2 => "auth2",
            Self::Auth3 => "auth3",
            Self::Middle => "middle",
            Self::Exit => "exit",
        }
    }

    /// Whether it votes, and serves its directory over HTTP.
    pub fn is_authority(self) -> bool {
        matches!(self, Self::Auth1 | Self::Auth2 | Self::Auth3)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nickname())
    }
}

/// A node's keys and ports, as others know them.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) node: Node,
    pub(super) or_port: u16,
    /// Fingerprint of the relay's RSA key, 40 hexadecimal digits.
    pub(super) rsa: String,
    /// Base64 of the relay's Ed25519 key, without padding.
    pub(super) ed25519: String,
    /// Of authorities alone.
    pub(super) authority: Option<Authority>,
}

/// What an authority has in addition.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) dir_port: u16,
    /// Fingerprint of the key that votes, 40 hexadecimal digits.
    pub(super) v3ident: String,
}

impl Identity {
    pub(super) fn or_addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.or_port).into()
    }

    pub(super) fn dir_addr(&self) -> Option<SocketAddr> {
        let authority = self.authority.as_ref()?;
        Some((Ipv4Addr::LOCALHOST, authority.dir_port).into())
    }
}
