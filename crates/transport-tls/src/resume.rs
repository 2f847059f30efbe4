//! Resumption of sessions, and its limits.
//!
//! Each ticket carries the [`SessionLifetime`] of its session. A ticket is of use until the first of: a
//! certificate that the peer sent expires, a configured CRL expires, twelve hours pass since the
//! last full handshake. Then the ticket is ignored and a full handshake decides on its own.

mod handshake_record;
mod lifetime;
mod noted;
mod session_cache;
mod ticket_keys;
mod ticketer;

#[cfg(test)]
mod tests;

pub(crate) use handshake_record::{with_record, HandshakeRecord};
pub(crate) use lifetime::SessionLifetime;
pub(crate) use noted::Noted;
pub(crate) use session_cache::{ConnSessionStore, SessionCache};
pub(crate) use ticket_keys::{SharedKeyTicketer, TicketKeys};
pub(crate) use ticketer::LifetimeTicketer;
