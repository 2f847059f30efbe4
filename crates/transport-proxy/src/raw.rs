//! The PROXY protocol over any raw backend, without limits. Guard it before it faces a peer.

mod dialer;
mod listener;
mod pending;
mod result;

pub use dialer::ProxyDialer;
pub use listener::ProxyListener;
pub use pending::ProxyPending;
