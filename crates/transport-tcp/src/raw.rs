//! The raw backend: sockets without limits. Guard them before they face a peer.

mod bind;
mod connect;
mod dialer;
#[cfg(target_os = "linux")]
mod fast_open;
mod happy_eyeballs;
mod listen_set;
mod listener;
mod mailbox;
mod network;
mod open;
mod options;
mod resolve;
#[cfg(target_os = "linux")]
mod sock_diag;
mod stream;
mod stream_socket;
#[cfg(target_os = "linux")]
mod unsent_probe;

pub use dialer::TcpDialer;
pub use listen_set::{ListenSet, StagedSockets};
pub use listener::{TcpListener, TcpPending};
pub use stream::TcpIo;
pub(crate) use stream_socket::mptcp_is_available;
