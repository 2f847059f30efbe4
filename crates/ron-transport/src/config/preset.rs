//! Presets: named sets of defaults.

use super::{Config, Settings};

/// A named set of defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// The defaults of the keys.
    #[default]
    Server,
    /// For small devices: fewer connections, shorter deadlines, amnesia.
    Edge,
    /// For public addresses: one peer cannot use every connection.
    Public,
}

transport_core::choice!(pub Preset {
    Server: "server",
    Edge: "edge",
    Public: "public",
});

impl Preset {
    /// All presets.
    pub const ALL: [Self; 3] = [Self::Server, Self::Edge, Self::Public];

    /// Returns the keys with another default, and the defaults.
    #[must_use]
    pub const fn values(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Server => &[],
            Self::Edge => &[
                ("max_conns", "128"),
                ("read_timeout", "3s"),
                ("write_timeout", "3s"),
                ("limits.chunk_bytes", "32KiB"),
                ("idle_timeout", "30s"),
                ("handshake_timeout", "5s"),
                ("dial_timeout", "5s"),
                ("limits.writer_inbox", "64"),
                ("limits.memory_bytes", "16MiB"),
                ("limits.max_pending_handshakes", "32"),
                ("amnesia", "true"),
                ("tcp.backlog", "128"),
            ],
            // docs/RUNBOOK.md has the reasons and the cost to honest clients.
            Self::Public => &[
                ("idle_timeout", "30s"),
                ("half_close_timeout", "30s"),
                ("handshake_timeout", "5s"),
                ("max_lifetime", "5m"),
                ("per_peer.accepts_per_sec", "50"),
                ("per_peer.max_conns", "100"),
            ],
        }
    }
}

impl Config {
    /// Returns the defaults of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        let mut config = Self::default();
        let named = [("preset", preset.as_str())];
        for (path, value) in named.iter().chain(preset.values()) {
            for section in config.sections_mut() {
                if section.get(path).is_some() {
                    // A test sets all of these values: none is refused.
                    let _ = section.set(path, &(*value).into());
                }
            }
        }
        config
    }
}
