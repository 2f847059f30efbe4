//! Settings that limiters with shared ceilings have in common.

use transport_core::schema::{ConflictingSettings, Section, ValueError};

use super::Limits;

impl Limits {
    /// The keys of the ceilings that limiters can share.
    ///
    /// The other keys are each limiter's own.
    pub const SHARED_KEYS: &'static [&'static str] = &[
        "max_conns",
        "overflow",
        "evict_after",
        "limits.memory_bytes",
        "limits.max_pending_handshakes",
        "rates.per_conn_bytes_per_sec",
        "rates.per_peer_bytes_per_sec",
        "rates.global_ingress_bytes_per_sec",
        "rates.global_egress_bytes_per_sec",
        "rates.accepts_per_sec",
        "per_peer.accepts_per_sec",
        "per_peer.max_conns",
        "per_peer.pending_handshakes",
        "per_peer.ipv4_prefix",
        "per_peer.ipv6_prefix",
    ];

    /// Returns these limits with the shared ceilings of others.
    ///
    /// ```
    /// use transport_limits::Limits;
    ///
    /// let ceilings = Limits::new().with_max_conns(5000)?;
    /// assert_eq!(Limits::new().with_ceilings(&ceilings).max_conns(), 5000);
    /// # Ok::<(), transport_core::schema::ValueError>(())
    /// ```
    #[must_use]
    pub fn with_ceilings(&self, ceilings: &Self) -> Self {
        Self {
            max_conns: ceilings.max_conns,
            overflow: ceilings.overflow,
            evict_after: ceilings.evict_after,
            memory_bytes: ceilings.memory_bytes,
            max_pending_handshakes: ceilings.max_pending_handshakes,
            rates: ceilings.rates,
            accepts_per_sec: ceilings.accepts_per_sec,
            peer_accepts_per_sec: ceilings.peer_accepts_per_sec,
            peer_max_conns: ceilings.peer_max_conns,
            peer_pending_handshakes: ceilings.peer_pending_handshakes,
            ipv4_prefix: ceilings.ipv4_prefix,
            ipv6_prefix: ceilings.ipv6_prefix,
            ..self.clone()
        }
    }

    /// Returns these limits under shared ceilings.
    ///
    /// # Errors
    /// When a shared key has neither its default nor the shared value.
    pub fn under(&self, ceilings: &Self) -> Result<Self, ConflictingSettings> {
        let default = Self::default();
        let conflict = |path: &'static str| {
            let (own, shared) = (self.get(path)?, ceilings.get(path)?);
            let unset = default.get(path)? == own;
            (!unset && own != shared).then(|| {
                let text = format!(
                    "is {own} here and {shared} in the shared limiter: remove it here, or change \
                     the shared limiter",
                );
                (path, ValueError::new(text))
            })
        };
        let conflicts = Self::SHARED_KEYS.iter().copied().filter_map(conflict);
        ConflictingSettings::into_result(conflicts.collect())?;
        Ok(self.with_ceilings(ceilings))
    }
}
