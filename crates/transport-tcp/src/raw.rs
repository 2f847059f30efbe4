//! The raw backend: sockets without limits. Guard them before they face a peer.

mod connect;
#[cfg(target_os = "linux")]
mod diag;
mod dialer;
mod listener;
mod options;
mod resolve;
mod stream;
mod unsent;

pub use dialer::TcpDialer;
pub use listener::{TcpListener, TcpPending};
pub use stream::TcpIo;
