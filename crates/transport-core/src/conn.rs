//! An established connection: the stream and what is known about it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Backend, Io, NoIdentity, PeerAddr, PeerIdentity};

/// An established stream and its description.
#[non_exhaustive]
pub struct Connection<I: Io> {
    /// The stream.
    pub io: I,
    /// The description. Shared, so that a guard and its handles can keep it too.
    pub info: Arc<ConnInfo>,
}

impl<I: Io> Connection<I> {
    /// Joins a stream and its description.
    pub fn new(io: I, info: impl Into<Arc<ConnInfo>>) -> Self {
        let info = info.into();
        Self { io, info }
    }

    /// Returns the description of the connection.
    pub fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Returns the stream and its description.
    pub fn into_parts(self) -> (I, Arc<ConnInfo>) {
        (self.io, self.info)
    }

    /// Wraps the stream and keeps the description.
    pub fn map<J: Io>(self, wrap: impl FnOnce(I) -> J) -> Connection<J> {
        Connection {
            io: wrap(self.io),
            info: self.info,
        }
    }
}

impl<I: Io> fmt::Debug for Connection<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// What is known about a connection once it is established.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnInfo {
    /// Number of the connection, unique in the process; 0 until a guard has set it.
    pub id: u64,
    /// The transport that carries it.
    pub backend: Backend,
    /// The other end. For a dialed Tor stream there is no address: `None`.
    pub peer: Option<PeerAddr>,
    /// Our end, where it has an IP address.
    pub local: Option<SocketAddr>,
    /// Who the peer proved to be.
    pub identity: PeerIdentity,
    /// The negotiated application protocol.
    pub alpn: Option<Box<[u8]>>,
    /// The key exchange of the TLS handshake.
    pub kx: Option<KeyExchange>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// How long the steps of a dial took.
    pub steps: DialSteps,
}

/// How long each step of a dial took; `None` for a step that there was not, or that nobody timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DialSteps {
    /// Name to addresses.
    pub resolve: Option<Duration>,
    /// The race of addresses, to the first that answered.
    pub connect: Option<Duration>,
    /// The handshake above the connection.
    pub handshake: Option<Duration>,
}

impl DialSteps {
    /// Nothing timed.
    pub const NONE: Self = Self {
        resolve: None,
        connect: None,
        handshake: None,
    };
}

impl ConnInfo {
    /// A plain connection: no TLS, no identity.
    #[must_use]
    pub const fn new(backend: Backend, peer: Option<PeerAddr>) -> Self {
        Self {
            id: 0,
            backend,
            peer,
            local: None,
            identity: PeerIdentity::None(NoIdentity::TlsDisabled),
            alpn: None,
            kx: None,
            resumed: false,
            steps: DialSteps::NONE,
        }
    }
}

/// The named group of a TLS handshake; the metric label `kx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyExchange {
    /// X25519.
    X25519,
    /// NIST P-256.
    Secp256r1,
    /// NIST P-384.
    Secp384r1,
    /// X25519 with ML-KEM-768, the post-quantum hybrid.
    X25519MlKem768,
    /// A group that has no label of its own.
    Other,
    /// The handshake ended before a group was agreed on.
    None,
}

impl KeyExchange {
    /// Every value, in the order of its discriminant.
    pub const ALL: [Self; 6] = [
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
        Self::X25519MlKem768,
        Self::Other,
        Self::None,
    ];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::X25519MlKem768 => "x25519mlkem768",
            Self::Other => "other",
            Self::None => "none",
        }
    }
}

impl fmt::Display for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
