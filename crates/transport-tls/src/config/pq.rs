//! `pq.mode`: whether key exchanges resist a quantum computer.

use transport_core::schema::{Key, Kind, Raw, Reload, Section, ValueError};

/// Which key exchanges are offered and taken, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PqMode {
    /// Classical groups only: X25519, P-256, P-384.
    #[default]
    Off,
    /// X25519MLKEM768 where the peer has it, else a classical group.
    Hybrid,
    /// X25519MLKEM768 alone: a peer without it is refused.
    Required,
}

impl PqMode {
    const ALL: [Self; 3] = [Self::Off, Self::Hybrid, Self::Required];

    /// The mode as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hybrid => "hybrid",
            Self::Required => "required",
        }
    }
}

/// The table `pq`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PqConfig {
    mode: PqMode,
}

impl PqConfig {
    /// The mode.
    #[must_use]
    pub const fn mode(&self) -> PqMode {
        self.mode
    }

    /// Chooses the mode.
    pub fn set_mode(&mut self, mode: PqMode) -> &mut Self {
        self.mode = mode;
        self
    }
}

const KEYS: &[Key] = &[Key {
    path: "pq.mode",
    kind: Kind::Choice(&["off", "hybrid", "required"]),
    default: "off",
    rule: "off, hybrid or required",
    reload: Reload::Restart,
    doc: "Post-quantum key exchange of TLS: off is classical only, hybrid prefers X25519MLKEM768 \
          with a classical fallback, required refuses peers without it.",
}];

impl Section for PqConfig {
    fn keys() -> &'static [Key] {
        KEYS
    }

    fn set(&mut self, path: &str, value: &Raw) -> Result<(), ValueError> {
        if path != "pq.mode" {
            return Err(ValueError::new("no such key"));
        }
        let text = value.text()?.to_ascii_lowercase();
        let mode = PqMode::ALL.into_iter().find(|mode| mode.as_str() == text);
        self.mode = mode.ok_or_else(|| ValueError::new("must be off, hybrid or required"))?;
        Ok(())
    }

    fn get(&self, path: &str) -> Option<String> {
        (path == "pq.mode").then(|| self.mode.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_they_are_written() {
        let mut pq = PqConfig::default();
        assert_eq!(pq.get("pq.mode").unwrap(), KEYS[0].default);
        for mode in PqMode::ALL {
            pq.set("pq.mode", &mode.as_str().into()).unwrap();
            assert_eq!(pq.mode(), mode);
        }
        pq.set("pq.mode", &"Hybrid".into()).unwrap();
        let error = pq.set("pq.mode", &"on".into()).unwrap_err();
        assert_eq!(error.to_string(), "must be off, hybrid or required");
        assert!(pq.set("pq.other", &"off".into()).is_err());
        assert_eq!(pq.mode(), PqMode::Hybrid, "a refused value changes nothing");
    }
}
