//! HTTP servers and clients on the transport.
#![cfg(all(
    feature = "axum",
    feature = "hyper",
    feature = "tonic",
    feature = "tower"
))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod app;
mod connector;
mod deadlines;
mod deadlines_h2;
mod drain;
mod drain_native;
mod handed_over;
mod options;
mod over;
mod requests;
mod servers;
mod streaming;
mod support;
mod upgrade;
