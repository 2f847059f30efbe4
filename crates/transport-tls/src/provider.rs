//! The crypto provider: aws-lc-rs with the key exchange groups that `pq.mode` allows.
//!
//! It is passed explicitly. The process-wide default is neither read nor set.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::{CipherSuite, NamedGroup};
use transport_core::KeyExchange;

use crate::PqMode;

/// Returns the provider for a mode, with groups in order of preference.
pub(crate) fn provider(mode: PqMode) -> Arc<CryptoProvider> {
    let mut kx_groups = Vec::with_capacity(4);
    if mode != PqMode::Off {
        kx_groups.push(kx_group::X25519MLKEM768);
    }
    if mode != PqMode::Required {
        kx_groups.extend([kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1]);
    }
    Arc::new(CryptoProvider {
        kx_groups,
        ..default_provider()
    })
}

/// Returns whether peers without the post-quantum hybrid are refused.
pub(crate) fn requires_pq(provider: &CryptoProvider) -> bool {
    let mut groups = provider.kx_groups.iter();
    groups.all(|group| group.name() == NamedGroup::X25519MLKEM768)
}

/// Returns the mode that a provider's groups amount to.
pub(crate) fn mode_of(provider: &CryptoProvider) -> PqMode {
    let mut groups = provider.kx_groups.iter();
    if requires_pq(provider) {
        PqMode::Required
    } else if groups.any(|group| group.name() == NamedGroup::X25519MLKEM768) {
        PqMode::Hybrid
    } else {
        PqMode::Off
    }
}

/// Returns the group as used in metrics and logs.
pub(crate) fn key_exchange(group: NamedGroup) -> KeyExchange {
    match group {
        NamedGroup::X25519 => KeyExchange::X25519,
        NamedGroup::secp256r1 => KeyExchange::Secp256r1,
        NamedGroup::secp384r1 => KeyExchange::Secp384r1,
        NamedGroup::X25519MLKEM768 => KeyExchange::X25519MlKem768,
        _ => KeyExchange::Other,
    }
}

/// Returns the IANA name of a TLS 1.3 cipher suite.
pub(crate) fn cipher_name(cipher: CipherSuite) -> Option<&'static str> {
    match cipher {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some("TLS_AES_128_GCM_SHA256"),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => Some("TLS_AES_256_GCM_SHA384"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some("TLS_CHACHA20_POLY1305_SHA256"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use transport_core::schema::Choice;

    use super::*;

    #[test]
    fn groups_of_each_mode_in_order() {
        let groups = |mode| {
            let provider = provider(mode);
            let names = provider
                .kx_groups
                .iter()
                .map(|group| key_exchange(group.name()));
            names.map(KeyExchange::as_str).collect::<Vec<_>>()
        };
        let classical = ["x25519", "secp256r1", "secp384r1"];
        assert_eq!(groups(PqMode::Off), classical);
        assert_eq!(groups(PqMode::Required), ["x25519mlkem768"]);
        assert_eq!(groups(PqMode::Hybrid)[0], "x25519mlkem768");
        assert_eq!(groups(PqMode::Hybrid)[1..], classical);
        assert_eq!(
            key_exchange(NamedGroup::secp256r1MLKEM768),
            KeyExchange::Other
        );
    }

    #[test]
    fn only_required_mode_refuses_classical_peers() {
        assert!(requires_pq(&provider(PqMode::Required)));
        assert!(!requires_pq(&provider(PqMode::Hybrid)));
        assert!(!requires_pq(&provider(PqMode::Off)));
        for &mode in PqMode::ALL {
            assert_eq!(mode_of(&provider(mode)), mode);
        }
    }
}
