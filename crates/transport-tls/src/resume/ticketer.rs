//! The server's session tickets, limited by [`SessionLifetime`].

use std::sync::Arc;

use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::time_provider::TimeProvider;
use zeroize::Zeroizing;

use super::handshake_record;
use super::lifetime::{self, SessionLifetime, MAX_AGE};
use crate::dates::Seconds;

/// Longest ticket in bytes (RFC 8446 §4.6.1).
///
/// rustls stores the client's chain in it.
const MAX_LEN: usize = u16::MAX as usize;

/// A ticketer that limits each ticket by the [`SessionLifetime`] of its session.
///
/// The lifetime is the start of the plaintext that another ticketer encrypts. Expired tickets are
/// ignored.
#[derive(Debug)]
pub(crate) struct LifetimeTicketer {
    inner: Arc<dyn ProducesTickets>,
    clock: Arc<dyn TimeProvider>,
    /// When the first configured CRL expires. From then on every handshake is a full one.
    crls_end: Seconds,
}

impl LifetimeTicketer {
    pub(crate) const fn new(
        inner: Arc<dyn ProducesTickets>,
        clock: Arc<dyn TimeProvider>,
        crls_end: Seconds,
    ) -> Self {
        Self {
            inner,
            clock,
            crls_end,
        }
    }

    /// Returns the seconds until a ticket of this session expires.
    fn remaining(&self, lifetime: SessionLifetime) -> Option<Seconds> {
        let now = self.now()?;
        let of_crls = self.crls_end.saturating_sub(now);
        let remaining = lifetime.remaining(now)?.min(of_crls);
        (remaining > 0).then_some(remaining)
    }

    fn now(&self) -> Option<Seconds> {
        Some(self.clock.current_time()?.as_secs())
    }

    /// Returns the lifetime of the session that is being polled.
    fn session_lifetime(&self) -> Option<SessionLifetime> {
        Some(handshake_record::current()?.lifetime(self.now()?))
    }
}

impl ProducesTickets for LifetimeTicketer {
    fn enabled(&self) -> bool {
        true
    }

    /// Returns the remaining lifetime in seconds, after which clients drop the ticket.
    fn lifetime(&self) -> u32 {
        let remaining = self.session_lifetime().and_then(|it| self.remaining(it));
        let hint = remaining.map_or(0, |seconds| seconds.min(MAX_AGE));
        u32::try_from(hint).unwrap_or(u32::MAX)
    }

    /// Issues no ticket for an expired session.
    ///
    /// Issues no ticket longer than its message allows.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let lifetime = self.session_lifetime()?;
        self.remaining(lifetime)?;
        let mut all = Zeroizing::new(Vec::with_capacity(lifetime::LEN + plain.len()));
        all.extend_from_slice(&lifetime.encode());
        all.extend_from_slice(plain);
        let ticket = self.inner.encrypt(&all)?;
        (ticket.len() <= MAX_LEN).then_some(ticket)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        handshake_record::current()?;
        let mut plain = self.inner.decrypt(cipher)?;
        let lifetime = SessionLifetime::decode(&plain)?;
        self.remaining(lifetime)?;
        handshake_record::update(|record| record.resumed = Some(lifetime));
        plain.drain(..lifetime::LEN);
        Some(plain)
    }
}
