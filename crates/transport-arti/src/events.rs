//! The target of this crate's log events.

/// The target of log events about Tor. They name no relay and no circuit.
pub(crate) const TARGET: &str = "ron_transport::arti";
