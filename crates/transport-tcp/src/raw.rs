//! The raw backend: sockets without limits. Guard them before they face a peer.

mod connect;
mod dialer;
mod listener;
mod options;
mod resolve;
mod stream;

pub use dialer::TcpDialer;
pub use listener::{TcpListener, TcpPending};
pub use stream::TcpIo;
