//! The Tor backend of ron-transport: dials over Tor and listens as an onion service, in the
//! process itself, by [Arti](https://arti.torproject.org/).
//!
//! Its settings live here, and so far they are all there is: [`ArtiConfig`] with the keys of
//! `arti.*`, [`OnionServiceConfig`] with those of the onion service. The crate compiles no Arti
//! yet.

mod config;

pub use config::{ArtiConfig, DialWhileBootstrapping, Isolation, OnionServiceConfig};
pub use transport_core;
