//! Presets: other defaults by name, as data.

use transport_core::schema::ValueError;

use super::{Config, Settings};

/// A name for a set of defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// The defaults of the keys.
    #[default]
    Server,
    /// For small devices: fewer connections, shorter deadlines, nothing left behind.
    Edge,
    /// For an address that strangers reach: one peer cannot take every place.
    Public,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Server, Self::Edge, Self::Public];

    /// The value of the key `preset`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Edge => "edge",
            Self::Public => "public",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, ValueError> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.as_str() == text)
            .ok_or_else(|| ValueError::new("no such preset"))
    }

    /// The keys whose defaults it changes, and to what.
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
            // The reasons, and the cost of each to honest clients: docs/RUNBOOK.md.
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
    /// The defaults of a preset.
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        let mut config = Self::default();
        let named = [("preset", preset.as_str())];
        for (path, value) in named.iter().chain(preset.values()) {
            for section in config.sections_mut() {
                if section.dyn_keys().iter().any(|key| key.path == *path) {
                    // Every value is one that its key takes: a test sets them all.
                    let _ = section.dyn_set(path, &(*value).into());
                }
            }
        }
        config
    }
}
