//! The rules for the peers of one role.
//!
//! Includes the authorities of their chains.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::Error;
use transport_core::CertificateChain;

use super::path::Anchors;
use super::rules::PeerRules;

/// The rules for peers of one role, with their trust anchors.
#[derive(Debug)]
pub(crate) struct PeerCheck {
    anchors: Anchors,
    rules: PeerRules,
    clock: Arc<dyn TimeProvider>,
}

impl PeerCheck {
    pub(crate) fn new(anchors: Anchors, rules: PeerRules, clock: &Arc<dyn TimeProvider>) -> Self {
        Self {
            anchors,
            rules,
            clock: Arc::clone(clock),
        }
    }

    /// Returns whether any name or key is configured.
    pub(super) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Returns the verified chain among the certificates that a peer sent.
    pub(crate) fn chain(&self, presented: &[CertificateDer<'_>]) -> CertificateChain {
        self.anchors.chain(presented, self.now())
    }

    /// Judges the peer of a resumed session, which no verifier has checked.
    ///
    /// # Errors
    /// As the verifier in a full handshake.
    pub(crate) fn judge_resumed(&self, presented: &[CertificateDer<'_>]) -> Result<(), Error> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let (leaf, rest) = presented
            .split_first()
            .ok_or(Error::NoCertificatesPresented)?;
        self.judge((leaf, rest), self.now(), |_| true)
    }

    /// Judges a peer whose chain was verified; see [`PeerRules::judge`] for `confirm`.
    ///
    /// # Errors
    /// As [`PeerRules::judge`].
    pub(super) fn judge(
        &self,
        presented: (&CertificateDer<'_>, &[CertificateDer<'_>]),
        now: UnixTime,
        confirm: impl Fn(&[CertificateDer<'_>]) -> bool,
    ) -> Result<(), Error> {
        self.rules.judge(presented, now, &self.anchors, confirm)
    }

    fn now(&self) -> UnixTime {
        self.clock.current_time().unwrap_or_else(UnixTime::now)
    }
}
