//! The settings that belong to no backend: which one, where, and how it ends.

use std::net::SocketAddr;
use std::time::Duration;

use transport_core::schema::{
    format_duration, parse_duration, Key, Kind, Raw, Reload, Section, ValueError,
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
    bind_addr: Option<SocketAddr>,
    drain_timeout: Duration,
}

impl Default for General {
    fn default() -> Self {
        Self {
            preset: Preset::Server,
            backend: Backend::Tcp,
            bind_addr: None,
            drain_timeout: Duration::from_secs(5),
        }
    }
}

impl General {
    /// Whose defaults are in force.
    #[must_use]
    pub const fn preset(&self) -> Preset {
        self.preset
    }

    /// The backend that listens and dials.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Where to listen; `None` only dials.
    #[must_use]
    pub const fn bind_addr(&self) -> Option<SocketAddr> {
        self.bind_addr
    }

    /// How long busy connections may go on once the transport shuts down.
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// The backend that listens and dials.
    ///
    /// # Errors
    /// When it is not compiled in; the sentence names the feature.
    pub fn set_backend(&mut self, backend: Backend) -> Result<&mut Self, ValueError> {
        if !COMPILED_BACKENDS.contains(&backend) {
            return Err(ValueError::new(format!(
                "this build has no {backend} backend: it needs the feature `{backend}`"
            )));
        }
        self.backend = backend;
        Ok(self)
    }

    /// Where to listen; `None` only dials.
    pub fn set_bind_addr(&mut self, addr: Option<SocketAddr>) -> &mut Self {
        self.bind_addr = addr;
        self
    }

    /// How long busy connections may go on once the transport shuts down: at most a day; zero cuts
    /// them at once.
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

const KEYS: &[Key] = &[
    Key {
        path: "preset",
        kind: Kind::Choice(&["server", "edge", "public"]),
        default: "server",
        rule: "server, edge or public",
        reload: Reload::Restart,
        doc: "Whose defaults are in force; `edge` is for small devices, `public` for addresses that strangers reach.",
    },
    Key {
        path: "backend",
        kind: Kind::Choice(&["tcp", "tls", "uds", "arti"]),
        default: "tcp",
        rule: "tcp, tls, uds or arti, where it is compiled in",
        reload: Reload::Restart,
        doc: "The backend that listens and dials.",
    },
    Key {
        path: "bind_addr",
        kind: Kind::Text,
        default: "",
        rule: "an IP address and port such as 127.0.0.1:9444 or [::1]:9444; empty for none",
        reload: Reload::Restart,
        doc: "Where to listen; without it the transport only dials.",
    },
    Key {
        path: "drain_timeout",
        kind: Kind::Duration,
        default: "5s",
        rule: "0 to 24h",
        reload: Reload::Live,
        doc: "How long busy connections may go on once the transport shuts down.",
    },
];

impl Section for General {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        let text = value.text()?;
        match path {
            "preset" => self.preset = Preset::parse(text)?,
            "backend" => _ = self.set_backend(parse_backend(text)?)?,
            "bind_addr" => _ = self.set_bind_addr(parse_addr(text)?),
            "drain_timeout" => _ = self.set_drain_timeout(parse_duration(text)?)?,
            _ => return Err(ValueError::new("no such key")),
        }
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        Some(match path {
            "preset" => self.preset.as_str().to_owned(),
            "backend" => self.backend.to_string(),
            "bind_addr" => self
                .bind_addr
                .map(|addr| addr.to_string())
                .unwrap_or_default(),
            "drain_timeout" => format_duration(self.drain_timeout),
            _ => return None,
        })
    }
}

fn parse_backend(text: &str) -> Result<Backend, ValueError> {
    let named = Backend::ALL
        .into_iter()
        .find(|backend| backend.as_str() == text);
    named.ok_or_else(|| ValueError::new("no such backend"))
}

fn parse_addr(text: &str) -> Result<Option<SocketAddr>, ValueError> {
    if text.is_empty() {
        return Ok(None);
    }
    let addr = text
        .parse()
        .map_err(|_| ValueError::new("not an IP address and port"))?;
    Ok(Some(addr))
}
