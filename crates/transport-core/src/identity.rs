//! Who a peer proved to be. Absence carries its reason.

use std::sync::Arc;

/// The result of authenticating a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerIdentity {
    /// A certificate was verified.
    Verified(Arc<VerifiedIdentity>),
    /// The kernel vouches for the user id (`SO_PEERCRED`).
    Uid(u32),
    /// There is no identity, and this is why.
    None(NoIdentity),
}

/// Why a peer has no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoIdentity {
    /// The transport does not authenticate.
    TlsDisabled,
    /// TLS is on; a client certificate was not asked for.
    NotRequested,
    /// A client certificate was optional and none came.
    NotPresented,
}

/// What a verified certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    /// Subject alternative names, in the certificate's order (DNS names and URIs).
    pub sans: Vec<String>,
    /// SHA-256 of the subject's public key info.
    pub spki_sha256: [u8; 32],
}
