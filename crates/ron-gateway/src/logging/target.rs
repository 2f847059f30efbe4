//! The `tracing` target of the gateway.

/// Target of the gateway's own events.
pub(crate) const TARGET: &str = "ron_gateway";
