//! The authenticated identity of a peer; its absence has a reason.

mod chain;
mod name;

use std::sync::Arc;

pub use chain::CertificateChain;
pub use name::PeerName;

/// The result of authenticating a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerIdentity {
    /// A certificate was verified.
    Verified(Arc<VerifiedIdentity>),
    /// The kernel reports the user id (`SO_PEERCRED`).
    Uid(u32),
    /// No identity, for this reason.
    None(NoIdentity),
}

impl PeerIdentity {
    /// Returns the contents of the verified certificate, if there is one.
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedIdentity> {
        match self {
            Self::Verified(identity) => Some(identity),
            _ => None,
        }
    }

    /// Returns the names of the verified certificate; empty without one.
    #[must_use]
    pub fn names(&self) -> &[PeerName] {
        self.verified().map_or(&[], |identity| &identity.names)
    }

    /// Returns the verified chain, if the peer presented a certificate.
    #[must_use]
    pub fn chain(&self) -> Option<&CertificateChain> {
        self.verified().map(|identity| &identity.chain)
    }
}

/// The reason for a missing identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoIdentity {
    /// The transport does not authenticate.
    TlsDisabled,
    /// The TLS listener requested no client certificate.
    NotRequested,
    /// The client presented no optional certificate.
    NotPresented,
}

/// The contents of a verified certificate.
///
/// The subject's common name is not part of it: a CA with permission for one name can put any
/// text there.
///
/// ```
/// use transport_core::{CertificateChain, PeerName, VerifiedIdentity};
///
/// let names = vec![
///     PeerName::DnsName("a.example".into()),
///     PeerName::Uri("spiffe://example/a".into()),
///     PeerName::Ip([192, 0, 2, 1].into()),
/// ];
/// let identity = VerifiedIdentity::new(names, CertificateChain::default(), [0; 32]);
/// assert_eq!(identity.sans, ["a.example", "spiffe://example/a"]);
/// assert!(identity.names.contains(&PeerName::Ip([192, 0, 2, 1].into())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedIdentity {
    /// The DNS names and URIs of [`names`](Self::names), without their types.
    pub sans: Vec<String>,
    /// Well-formed subject alternative names, typed, in the certificate's order.
    pub names: Vec<PeerName>,
    /// The chain that was verified, leaf first.
    pub chain: CertificateChain,
    /// SHA-256 of the subject's public key info.
    pub spki_sha256: [u8; 32],
}

impl VerifiedIdentity {
    /// An identity of these names, with the chain that proved it.
    #[must_use]
    pub fn new(names: Vec<PeerName>, chain: CertificateChain, spki_sha256: [u8; 32]) -> Self {
        let text = |name: &PeerName| match name {
            PeerName::DnsName(text) | PeerName::Uri(text) => Some(text.to_string()),
            PeerName::Ip(_) | PeerName::Email(_) => None,
        };
        Self {
            sans: names.iter().filter_map(text).collect(),
            names,
            chain,
            spki_sha256,
        }
    }
}
