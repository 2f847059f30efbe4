//! The nodes of a private network, and their identities.

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

    /// Returns the nickname in the consensus.
    pub fn nickname(self) -> &'static str {
        match self {
            Self::Auth1 => "auth1",
            Self::Auth2 => "auth2",
            Self::Auth3 => "auth3",
            Self::Middle => "middle",
            Self::Exit => "exit",
        }
    }

    /// Returns whether the node votes and serves its directory over HTTP.
    pub fn is_authority(self) -> bool {
        matches!(self, Self::Auth1 | Self::Auth2 | Self::Auth3)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nickname())
    }
}

/// A node's keys and ports, as other nodes know them.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) node: Node,
    pub(super) or_port: u16,
    /// The fingerprint of the relay's RSA key, 40 hexadecimal digits.
    pub(super) rsa: String,
    /// The relay's Ed25519 key in base64, without padding.
    pub(super) ed25519: String,
    /// For authorities only.
    pub(super) authority: Option<Authority>,
}

/// The additional identity of an authority.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) dir_port: u16,
    /// The fingerprint of the voting key, 40 hexadecimal digits.
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
