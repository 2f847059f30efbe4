//! `pq.mode`: post-quantum key exchange.

use transport_core::schema::{Choice, Key, Kind, Reload, SectionTable, Setting};

/// The key exchanges that both sides offer and accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(clippy::exhaustive_enums)] // Nothing lies between these three.
pub enum PqMode {
    /// Classical groups only: X25519, P-256, P-384.
    #[default]
    Off,
    /// X25519MLKEM768 where the peer has it, else a classical group.
    Hybrid,
    /// X25519MLKEM768 alone: a peer without it is refused.
    Required,
}

transport_core::choice!(pub PqMode {
    Off: "off",
    Hybrid: "hybrid",
    Required: "required",
});

/// The settings of the key exchange: the group `pq`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PqConfig {
    mode: PqMode,
}

transport_core::accessors! {
    impl PqConfig {
        /// The key exchanges that both sides offer and accept.
        mode, set_mode: PqMode;
    }
}

impl SectionTable for PqConfig {
    const SETTINGS: &'static [Setting<Self>] =
        &[
            Key::new("pq.mode", Kind::Choice(PqMode::WORDS), Reload::Restart)
                .doc(
                    "Post-quantum key exchange of TLS: off is classical only, hybrid prefers \
                     X25519MLKEM768 with a classical fallback, required refuses peers without it.",
                )
                .get(|c: &Self| c.mode.as_str().to_owned())
                .set(|c, value| value.choice_in_any_case().map(|mode| c.mode = mode)),
        ];
}

#[cfg(test)]
mod tests {
    use transport_core::schema::Section;

    use super::*;

    #[test]
    fn modes_round_trip_in_any_case() {
        let mut pq = PqConfig::default();
        assert_eq!(pq.get("pq.mode").unwrap(), "off");
        for &mode in PqMode::ALL {
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
