//! Resumption of sessions, and its limits.
//!
//! Each ticket carries the [`Facts`] of its session. A ticket is of use until the first of: a
//! certificate that the peer sent expires, a configured CRL expires, twelve hours pass since the
//! last full handshake. Then the ticket is ignored and a full handshake decides on its own.

mod facts;
mod noted;
mod scope;
mod sessions;
mod ticket_keys;
mod tickets;

#[cfg(test)]
mod tests;

pub(crate) use facts::Facts;
pub(crate) use noted::Noted;
pub(crate) use scope::{within, Record};
pub(crate) use sessions::{ConnSessions, Sessions};
pub(crate) use ticket_keys::{ReplicaTickets, TicketKeys};
pub(crate) use tickets::Tickets;
