//! An established connection: the stream and its description.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Backend, Io, NoIdentity, PeerAddr, PeerIdentity, Proxied};

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

/// The description of an established connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnInfo {
    /// Number of the connection, unique in the process.
    ///
    /// 0 until a guard has set it.
    pub id: u64,
    /// The transport that carries it.
    pub backend: Backend,
    /// The address of the peer; `None` for a dialed Tor stream.
    ///
    /// Behind a balancer it is the address that the PROXY header announced.
    pub peer: Option<PeerAddr>,
    /// The local IP address, if it has one.
    pub local: Option<SocketAddr>,
    /// The authenticated identity of the peer.
    pub identity: PeerIdentity,
    /// The negotiated application protocol.
    pub alpn: Option<Box<[u8]>>,
    /// The key exchange of the TLS handshake.
    pub kx: Option<KeyExchange>,
    /// The IANA name of the TLS session's cipher suite.
    pub cipher: Option<&'static str>,
    /// The host name that a TLS client requested (SNI, RFC 6066 §3).
    pub server_name: Option<Box<str>>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// The facts of the PROXY header; `None` if the connection had none.
    pub proxied: Option<Arc<Proxied>>,
    /// The durations of a dial's steps.
    pub steps: DialSteps,
}

/// The durations of a dial's steps.
///
/// They are whole microseconds, up to an hour.
/// Each open connection keeps them, so they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DialSteps {
    resolve: StepMicros,
    connect: StepMicros,
    handshake: StepMicros,
}

impl DialSteps {
    /// No step with a time.
    pub const NONE: Self = Self {
        resolve: StepMicros(0),
        connect: StepMicros(0),
        handshake: StepMicros(0),
    };

    /// Returns the time to resolve the name.
    #[must_use]
    pub fn resolve(&self) -> Option<Duration> {
        self.resolve.get()
    }

    /// Returns the time to connect to the first address that answered.
    #[must_use]
    pub fn connect(&self) -> Option<Duration> {
        self.connect.get()
    }

    /// Returns the time of the handshake above the connection.
    #[must_use]
    pub fn handshake(&self) -> Option<Duration> {
        self.handshake.get()
    }

    /// Sets the time to resolve the name.
    pub fn set_resolve(&mut self, took: Duration) {
        self.resolve = StepMicros::new(took);
    }

    /// Sets the time to connect to the first address that answered.
    pub fn set_connect(&mut self, took: Duration) {
        self.connect = StepMicros::new(took);
    }

    /// Sets the time of the handshake above the connection.
    pub fn set_handshake(&mut self, took: Duration) {
        self.handshake = StepMicros::new(took);
    }
}

/// A duration in microseconds plus one; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct StepMicros(u32);

impl StepMicros {
    fn new(took: Duration) -> Self {
        let micros = took.as_micros().saturating_add(1);
        Self(u32::try_from(micros).unwrap_or(u32::MAX))
    }

    fn get(self) -> Option<Duration> {
        let micros = self.0.checked_sub(1)?;
        Some(Duration::from_micros(u64::from(micros)))
    }
}

impl ConnInfo {
    /// Describes a connection without TLS and identity.
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
            cipher: None,
            server_name: None,
            resumed: false,
            proxied: None,
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
    /// A group without its own label.
    Other,
    /// No group: the handshake ended before.
    None,
}

impl KeyExchange {
    /// All values, in the order of the discriminants.
    pub const ALL: [Self; 6] = [
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
        Self::X25519MlKem768,
        Self::Other,
        Self::None,
    ];

    /// Returns the value of the metric label.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_microseconds() {
        let mut steps = DialSteps::NONE;
        assert_eq!(steps.connect(), None);
        steps.set_connect(Duration::ZERO);
        assert_eq!(steps.connect(), Some(Duration::ZERO));
        steps.set_connect(Duration::from_nanos(1_234_567));
        assert_eq!(steps.connect(), Some(Duration::from_micros(1234)));
        steps.set_handshake(Duration::MAX);
        assert!(steps.handshake() > Some(Duration::from_secs(3600)));
        assert_eq!(steps.resolve(), None);
    }

    /// Each leg of an idle pair holds one.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn description_is_small() {
        let bytes = size_of::<ConnInfo>();
        assert!(bytes <= 192, "{bytes} bytes");
    }
}
