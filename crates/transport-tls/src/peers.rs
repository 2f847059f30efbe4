//! What a verified peer must show beyond a trusted chain: an allowed name, a pinned key.

mod client_verifier;
mod path;
mod rules;
mod server_verifier;

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::Error;
use transport_core::CertificateChain;

pub(crate) use path::{Trust, Usage};
pub(crate) use rules::{PeerRules, PinMismatch};

use client_verifier::RuledClients;
use server_verifier::RuledServers;

/// The verification in force for one role, as it is needed after a handshake.
pub(crate) trait PeerCheck {
    /// The verified chain among the certificates that the peer sent.
    fn chain(&self, presented: &[CertificateDer<'_>]) -> CertificateChain;

    /// Judges the peer of a resumed session, whose certificates no verifier has seen.
    ///
    /// # Errors
    /// As the verifier in a full handshake.
    fn judge_resumed(&self, presented: &[CertificateDer<'_>]) -> Result<(), Error>;
}

/// How a listener verifies its clients.
pub(crate) struct ClientCheck {
    trust: Arc<Trust>,
    /// With rules alone: without any, the ticket is proof enough.
    ruled: Option<Arc<dyn ClientCertVerifier>>,
}

impl ClientCheck {
    /// Adds the rules, if there are any, to a verifier that trusts these authorities.
    pub(crate) fn new(
        trusted: Arc<dyn ClientCertVerifier>,
        trust: Trust,
        rules: PeerRules,
    ) -> (Self, Arc<dyn ClientCertVerifier>) {
        let trust = Arc::new(trust);
        if rules.is_empty() {
            return (Self { trust, ruled: None }, trusted);
        }
        let ruled = RuledClients::new(trusted, Arc::clone(&trust), rules);
        let ruled: Arc<dyn ClientCertVerifier> = Arc::new(ruled);
        let check = Self {
            trust,
            ruled: Some(Arc::clone(&ruled)),
        };
        (check, ruled)
    }
}

impl PeerCheck for ClientCheck {
    fn chain(&self, presented: &[CertificateDer<'_>]) -> CertificateChain {
        self.trust.chain(presented, UnixTime::now())
    }

    fn judge_resumed(&self, presented: &[CertificateDer<'_>]) -> Result<(), Error> {
        let Some(ruled) = &self.ruled else {
            return Ok(());
        };
        let (leaf, rest) = presented
            .split_first()
            .ok_or(Error::NoCertificatesPresented)?;
        ruled
            .verify_client_cert(leaf, rest, UnixTime::now())
            .map(drop)
    }
}

/// How a dialer verifies servers.
pub(crate) struct ServerCheck {
    trust: Arc<Trust>,
    ruled: Option<Arc<dyn ServerCertVerifier>>,
}

impl ServerCheck {
    /// Adds the rules, if there are any, to a verifier that trusts these authorities.
    pub(crate) fn new(
        trusted: Arc<dyn ServerCertVerifier>,
        trust: Trust,
        rules: PeerRules,
    ) -> (Self, Arc<dyn ServerCertVerifier>) {
        let trust = Arc::new(trust);
        if rules.is_empty() {
            return (Self { trust, ruled: None }, trusted);
        }
        let ruled = RuledServers::new(trusted, Arc::clone(&trust), rules);
        let ruled: Arc<dyn ServerCertVerifier> = Arc::new(ruled);
        let check = Self {
            trust,
            ruled: Some(Arc::clone(&ruled)),
        };
        (check, ruled)
    }

    /// The check of one dial, whose server must prove this name.
    pub(crate) fn of(&self, name: &ServerName<'static>) -> NamedServerCheck<'_> {
        NamedServerCheck {
            check: self,
            name: self.ruled.as_ref().map(|_| name.clone()),
        }
    }
}

/// A [`ServerCheck`] with the name that the server must prove.
pub(crate) struct NamedServerCheck<'a> {
    check: &'a ServerCheck,
    name: Option<ServerName<'static>>,
}

impl PeerCheck for NamedServerCheck<'_> {
    fn chain(&self, presented: &[CertificateDer<'_>]) -> CertificateChain {
        self.check.trust.chain(presented, UnixTime::now())
    }

    fn judge_resumed(&self, presented: &[CertificateDer<'_>]) -> Result<(), Error> {
        let (Some(ruled), Some(name)) = (&self.check.ruled, &self.name) else {
            return Ok(());
        };
        let (leaf, rest) = presented
            .split_first()
            .ok_or(Error::NoCertificatesPresented)?;
        ruled
            .verify_server_cert(leaf, rest, name, &[], UnixTime::now())
            .map(drop)
    }
}
