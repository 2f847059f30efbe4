//! The PROXY protocol, and dials through proxies, over any raw backend.
//!
//! They enforce no limit: guard them before they face a peer.

mod dialer;
mod listener;
mod pending;
mod result;
mod via;

pub use dialer::ProxyDialer;
pub use listener::ProxyListener;
pub use pending::ProxyPending;
pub use via::ViaDialer;
