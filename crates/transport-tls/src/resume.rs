//! Session resumption and its limits.
//!
//! Each ticket carries the [`SessionLifetime`] of its session. It expires when a certificate that
//! the peer sent expires, when a configured CRL expires, or twelve hours after the last full
//! handshake. An expired ticket is ignored, and the handshake is a full one.

mod handshake_record;
mod lifetime;
mod session_cache;
mod ticket_keys;
mod ticketer;

#[cfg(test)]
mod tests;

pub(crate) use handshake_record::{record_full_handshake, with_record, HandshakeRecord};
pub(crate) use session_cache::{ConnSessionStore, SessionCache};
pub(crate) use ticket_keys::{SharedKeyTicketer, TicketKeys};
pub(crate) use ticketer::LifetimeTicketer;
