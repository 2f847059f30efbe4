//! Makes and accepts a server's session tickets.

use std::sync::Arc;

use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::time_provider::TimeProvider;
use zeroize::Zeroizing;

use super::handshake_record;
use super::lifetime::{self, SessionLifetime, MAX_AGE};
use crate::dates::Seconds;

/// Longest ticket in bytes (RFC 8446 §4.6.1). rustls puts the client's chain into it.
const MAX_LEN: usize = u16::MAX as usize;

/// A ticketer that puts the [`SessionLifetime`] of the session into each ticket, below the encryption of
/// another ticketer, and ignores tickets whose time has passed.
#[derive(Debug)]
pub(crate) struct LifetimeTicketer {
    sealed_by: Arc<dyn ProducesTickets>,
    clock: Arc<dyn TimeProvider>,
    /// The end of the configured CRLs: from then on a full handshake decides.
    crls_end: Seconds,
}

impl LifetimeTicketer {
    pub(crate) const fn new(
        sealed_by: Arc<dyn ProducesTickets>,
        clock: Arc<dyn TimeProvider>,
        crls_end: Seconds,
    ) -> Self {
        Self {
            sealed_by,
            clock,
            crls_end,
        }
    }

    /// Seconds for which a ticket of such a session is of use.
    fn left(&self, facts: SessionLifetime) -> Option<Seconds> {
        let now = self.now()?;
        let of_crls = self.crls_end.saturating_sub(now);
        let left = facts.left(now)?.min(of_crls);
        (left > 0).then_some(left)
    }

    fn now(&self) -> Option<Seconds> {
        Some(self.clock.current_time()?.as_secs())
    }

    /// The facts of the session that is being polled.
    fn facts(&self) -> Option<SessionLifetime> {
        Some(handshake_record::current()?.facts(self.now()?))
    }
}

impl ProducesTickets for LifetimeTicketer {
    fn enabled(&self) -> bool {
        true
    }

    /// Returns the rest of the session's time: clients drop the ticket then.
    fn lifetime(&self) -> u32 {
        let left = self.facts().and_then(|facts| self.left(facts));
        let hint = left.map_or(0, |left| left.min(MAX_AGE));
        u32::try_from(hint).unwrap_or(u32::MAX)
    }

    /// Makes no ticket for a session without time left, nor one that its message could not carry.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let facts = self.facts()?;
        self.left(facts)?;
        let mut all = Zeroizing::new(Vec::with_capacity(lifetime::LEN + plain.len()));
        all.extend_from_slice(&facts.encode());
        all.extend_from_slice(plain);
        let ticket = self.sealed_by.encrypt(&all)?;
        (ticket.len() <= MAX_LEN).then_some(ticket)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        handshake_record::current()?;
        let mut plain = self.sealed_by.decrypt(cipher)?;
        let facts = SessionLifetime::decode(&plain)?;
        self.left(facts)?;
        handshake_record::update(|record| record.resumed = Some(facts));
        plain.drain(..lifetime::LEN);
        Some(plain)
    }
}
