//! The settings of one peer: what makes a peer, and its caps.

use transport_core::schema::ValueError;

use super::Limits;

/// Reads of one field each.
impl Limits {
    /// Connections of one peer at a time; 0 is off.
    #[must_use]
    pub const fn peer_max_conns(&self) -> u64 {
        self.peer_max_conns
    }

    /// Pending handshakes of one peer at a time; 0 is a share of
    /// [`max_pending_handshakes`](Self::max_pending_handshakes).
    #[must_use]
    pub const fn peer_pending_handshakes(&self) -> u64 {
        self.peer_pending_handshakes
    }

    /// Leading bits of an IPv4 address that make one peer.
    #[must_use]
    pub const fn ipv4_prefix(&self) -> u8 {
        self.ipv4_prefix
    }

    /// Leading bits of an IPv6 address that make one peer.
    #[must_use]
    pub const fn ipv6_prefix(&self) -> u8 {
        self.ipv6_prefix
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl Limits {
    /// Connections of one peer at a time; 0 is off.
    pub fn set_peer_max_conns(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.peer_max_conns = n;
        Ok(self)
    }

    /// Pending handshakes of one peer at a time. 0 is the automatic share: a quarter of
    /// `max_pending_handshakes`, no more than are free, and at least 4.
    pub fn set_peer_pending_handshakes(&mut self, n: u64) -> Result<&mut Self, ValueError> {
        self.peer_pending_handshakes = n;
        Ok(self)
    }

    /// Leading bits of an IPv4 address that make one peer: 8 to 32.
    pub fn set_ipv4_prefix(&mut self, bits: u64) -> Result<&mut Self, ValueError> {
        self.ipv4_prefix = u8::try_from(bits)
            .ok()
            .filter(|bits| (8..=32).contains(bits))
            .ok_or_else(|| ValueError::new("must be 8 to 32"))?;
        Ok(self)
    }

    /// Leading bits of an IPv6 address that make one peer: 32 to 128.
    pub fn set_ipv6_prefix(&mut self, bits: u64) -> Result<&mut Self, ValueError> {
        self.ipv6_prefix = u8::try_from(bits)
            .ok()
            .filter(|bits| (32..=128).contains(bits))
            .ok_or_else(|| ValueError::new("must be 32 to 128"))?;
        Ok(self)
    }
}
