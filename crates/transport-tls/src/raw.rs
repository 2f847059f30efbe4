//! TLS over any raw backend, without limits. Guard it before it faces a peer.

mod dialer;
mod handshake;
mod handshake_io;
mod lingering_close;
mod listener;
mod metrics;
mod over;
mod stream;
mod tls_session;
mod write_coalescer;

pub use dialer::TlsDialer;
pub use listener::{TlsListener, TlsPending};
pub use over::{accept_over, ClientOver};
pub use stream::TlsIo;
