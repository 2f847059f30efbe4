//! The settings that belong to no backend: preset, backend, address, drain.

use std::net::SocketAddr;
use std::time::Duration;

use transport_core::schema::{
    format_duration, Choice, Key, Kind, Raw, Reload, SectionTable, Setting, ValueError,
};
use transport_core::Backend;

use super::Preset;

/// The backends of this build.
pub const COMPILED_BACKENDS: &[Backend] = &[
    Backend::Tcp,
    #[cfg(feature = "tls")]
    Backend::Tls,
    #[cfg(feature = "uds")]
    Backend::Uds,
    #[cfg(feature = "arti")]
    Backend::Arti,
];

/// Longest drain: a day.
const MAX_DRAIN: Duration = Duration::from_secs(24 * 3600);

/// The settings that belong to no backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct General {
    preset: Preset,
    backend: Backend,
    bind_addrs: Vec<SocketAddr>,
    drain_timeout: Duration,
}

impl Default for General {
    fn default() -> Self {
        Self {
            preset: Preset::Server,
            backend: Backend::Tcp,
            bind_addrs: Vec::new(),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl SectionTable for General {
    const SETTINGS: &'static [Setting<Self>] = &[
        Key::new("preset", Kind::Choice(Preset::WORDS), Reload::Restart)
            .doc(
                "Set of defaults; `edge` is for small devices, `public` for addresses that \
                 strangers reach.",
            )
            .get(|c: &Self| c.preset.as_str().to_owned())
            .set(|c, value| value.choice().map(|preset| c.preset = preset)),
        Key::new("backend", Kind::Choice(Backend::WORDS), Reload::Restart)
            .doc("Backend that listens and dials; it must be compiled in.")
            .get(|c: &Self| c.backend.to_string())
            .set(|c, value| c.set_backend(value.choice()?).map(drop)),
        Key::new("bind_addr", Kind::List, Reload::New)
            .allows(
                "IP addresses and ports such as 127.0.0.1:9444 or [::1]:9444, each once; empty for \
                 none",
            )
            .doc(
                "Addresses to listen on; without one the transport only dials. `[::]` leaves IPv4 \
                 to an IPv4 address with the same port, and accepts both without one.",
            )
            .get(|c: &Self| {
                let addrs: Vec<_> = c.bind_addrs.iter().map(ToString::to_string).collect();
                addrs.join(",")
            })
            .set(|c, value| {
                parse_addrs(value).and_then(|addrs| c.set_bind_addrs(addrs).map(drop))
            }),
        Key::new("drain_timeout", Kind::Duration, Reload::Live)
            .allows("0 to 24h")
            .doc("Longest time that busy connections continue while the transport shuts down.")
            .get(|c: &Self| format_duration(c.drain_timeout))
            .set(|c, value| c.set_drain_timeout(value.duration()?).map(drop)),
    ];
}

fn parse_addrs(value: &Raw) -> Result<Vec<SocketAddr>, ValueError> {
    let items = value.list().into_iter();
    let addrs = items.map(|item| item.parse());
    addrs
        .collect::<Result<_, _>>()
        .map_err(|_| ValueError::new("not an IP address and port"))
}

transport_core::accessors! {
    impl General {
        /// The set of defaults.
        preset: Preset;
        /// The backend that listens and dials.
        backend: Backend;
        /// Longest time that busy connections continue during a shutdown.
        drain_timeout: Duration;
    }
}

impl General {
    /// Returns the first address to listen on; `None` only dials.
    #[must_use]
    pub fn bind_addr(&self) -> Option<SocketAddr> {
        self.bind_addrs.first().copied()
    }

    /// Returns the addresses to listen on.
    #[must_use]
    pub fn bind_addrs(&self) -> &[SocketAddr] {
        &self.bind_addrs
    }

    /// Sets one address to listen on; `None` only dials.
    pub fn set_bind_addr(&mut self, addr: Option<SocketAddr>) -> &mut Self {
        self.bind_addrs = addr.into_iter().collect();
        self
    }

    /// Sets the addresses to listen on; none only dials.
    ///
    /// # Errors
    /// As [`transport_tcp::check_addrs`], for two that are the same or of which one covers the other.
    pub fn set_bind_addrs(
        &mut self,
        addrs: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<&mut Self, ValueError> {
        let addrs: Vec<_> = addrs.into_iter().collect();
        transport_tcp::check_addrs(&addrs)?;
        self.bind_addrs = addrs;
        Ok(self)
    }

    /// Sets the backend that listens and dials.
    ///
    /// # Errors
    /// When it is not compiled in; the text names the feature. For a custom backend, which only
    /// `TransportBuilder::raw_listener` can set.
    pub fn set_backend(&mut self, backend: Backend) -> Result<&mut Self, ValueError> {
        if let Backend::Custom(name) = backend {
            return Err(ValueError::new(format!(
                "{name} is a custom backend: pass its listener to TransportBuilder::raw_listener"
            )));
        }
        if !COMPILED_BACKENDS.contains(&backend) {
            return Err(ValueError::new(format!(
                "this build has no {backend} backend: it needs the feature `{backend}`"
            )));
        }
        self.backend = backend;
        Ok(self)
    }

    /// Sets how long busy connections continue during a shutdown.
    ///
    /// At most a day; zero cuts them at once.
    ///
    /// # Errors
    /// When it is longer than a day.
    pub fn set_drain_timeout(&mut self, limit: Duration) -> Result<&mut Self, ValueError> {
        if limit > MAX_DRAIN {
            return Err(ValueError::new("must be at most 24h"));
        }
        self.drain_timeout = limit;
        Ok(self)
    }
}
