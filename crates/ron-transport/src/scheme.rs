//! The schemes of dial targets.

use transport_core::Backend;

use crate::config::COMPILED_BACKENDS;

/// The scheme of an [`Endpoint`](crate::Endpoint): the backends that carry a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `tcp://host:port`
    Tcp,
    /// `tls://host:port`
    Tls,
    /// `unix:///path`
    Unix,
    /// `tor://host:port`, also with an onion name
    Tor,
    /// `tls+tor://host:port`
    TlsOverTor,
    /// `NAME://address`, for a dialer of
    /// [`raw_dialer`](crate::TransportBuilder::raw_dialer)
    Custom,
    /// `tls+NAME://address`, TLS over such a dialer
    TlsOverCustom,
}

impl Scheme {
    /// Every built-in scheme.
    pub const ALL: [Self; 5] = [
        Self::Tcp,
        Self::Tls,
        Self::Unix,
        Self::Tor,
        Self::TlsOverTor,
    ];

    /// Returns the text before `://`.
    ///
    /// `custom` stands for the name of a custom scheme, which its target has.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Unix => "unix",
            Self::Tor => "tor",
            Self::TlsOverTor => "tls+tor",
            Self::Custom => "custom",
            Self::TlsOverCustom => "tls+custom",
        }
    }

    /// Returns the built-in backends of the scheme, outermost first.
    #[must_use]
    pub const fn backends(self) -> &'static [Backend] {
        match self {
            Self::Tcp => &[Backend::Tcp],
            Self::Tls | Self::TlsOverCustom => &[Backend::Tls],
            Self::Unix => &[Backend::Uds],
            Self::Tor => &[Backend::Arti],
            Self::TlsOverTor => &[Backend::Tls, Backend::Arti],
            Self::Custom => &[],
        }
    }

    /// Returns whether a half-close still lets the peer answer: not over Tor.
    ///
    /// Over Tor, relay with [`relay_without_half_close`](crate::relay_without_half_close).
    #[must_use]
    pub const fn half_closes(self) -> bool {
        !matches!(self, Self::Tor | Self::TlsOverTor)
    }

    /// Returns whether `dial.via` applies: to `tcp://` and `tls://`.
    ///
    /// Dials of other schemes fail while a proxy is set, because they would evade it.
    #[must_use]
    pub const fn has_via(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// Returns the first backend that this build lacks.
    ///
    /// The cargo feature that adds it has the name of the backend.
    #[must_use]
    pub fn missing_backend(self) -> Option<Backend> {
        let mut needed = self.backends().iter();
        needed
            .find(|backend| !COMPILED_BACKENDS.contains(backend))
            .copied()
    }
}
