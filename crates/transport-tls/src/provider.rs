//! The crypto provider: aws-lc-rs with the key exchange groups that `pq.mode` allows.
//!
//! Cipher suites are in order of their cost on this machine.
//!
//! It is passed explicitly. The process-wide default is neither read nor set.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::{CipherSuite, NamedGroup, SupportedCipherSuite};
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
        cipher_suites: cipher_suites(has_aes_instructions()).to_vec(),
        kx_groups,
        ..default_provider()
    })
}

/// Returns the cipher suites, the cheapest first.
///
/// With AES in hardware, a handshake with AES-256-GCM costs a sixth more CPU time than one with
/// AES-128-GCM: its SHA-384 has no instructions of its own on most processors.
const fn cipher_suites(has_aes: bool) -> [SupportedCipherSuite; 3] {
    use cipher_suite::{
        TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
        TLS13_CHACHA20_POLY1305_SHA256 as CHACHA20,
    };
    if has_aes {
        [AES_128, CHACHA20, AES_256]
    } else {
        [CHACHA20, AES_128, AES_256]
    }
}

/// Returns whether this processor has instructions for AES.
fn has_aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[allow(unreachable_code)] // Other processors.
    false
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
    fn cheapest_suite_is_first() {
        let first = |has_aes: bool| cipher_name(cipher_suites(has_aes)[0].suite()).unwrap();
        assert_eq!(first(true), "TLS_AES_128_GCM_SHA256");
        assert_eq!(first(false), "TLS_CHACHA20_POLY1305_SHA256");
        let all = provider(PqMode::Off).cipher_suites.len();
        assert_eq!(all, 3, "every suite of TLS 1.3 is offered");
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
