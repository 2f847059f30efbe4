//! Rules for verified peers, beyond a trusted chain: allowed names and pinned keys.

mod client_verifier;
mod path;
mod rules;
mod server_verifier;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::Error;
use transport_core::CertificateChain;

pub(crate) use path::{Anchors, KeyPurpose};
pub(crate) use rules::{PeerRules, PinMismatch};

use client_verifier::RuledClients;
use server_verifier::RuledServers;

/// The rules for peers of one role, and the authorities that their chains lead to.
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

    /// Adds the rules, if there are any, to a verifier of clients that trusts these authorities.
    pub(crate) fn of_clients(
        self: &Arc<Self>,
        trusted: Arc<dyn ClientCertVerifier>,
    ) -> Arc<dyn ClientCertVerifier> {
        if self.rules.is_empty() {
            return trusted;
        }
        Arc::new(RuledClients::new(trusted, Arc::clone(self)))
    }

    /// Adds the rules, if there are any, to a verifier of servers that trusts these authorities.
    pub(crate) fn of_servers(
        self: &Arc<Self>,
        trusted: Arc<dyn ServerCertVerifier>,
    ) -> Arc<dyn ServerCertVerifier> {
        if self.rules.is_empty() {
            return trusted;
        }
        Arc::new(RuledServers::new(trusted, Arc::clone(self)))
    }

    /// The verified chain among the certificates that a peer sent.
    pub(crate) fn chain(&self, presented: &[CertificateDer<'_>]) -> CertificateChain {
        self.anchors.chain(presented, self.now())
    }

    /// Judges the peer of a resumed session, whose certificates no verifier has seen.
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

    fn judge(
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
