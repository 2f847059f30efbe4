//! The raw backend: sockets without limits. Guard them before they face a peer.

mod connect;
mod dialer;
mod listener;
mod options;
mod resolve;

pub use dialer::TcpDialer;
pub use listener::{TcpListener, TcpPending};
