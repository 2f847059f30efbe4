//! The raw backend: sockets without limits. Guard them before they face a peer.

mod dialer;
mod directory;
mod listener;
mod send_buffer;
mod socket_file;
mod stream;

pub use dialer::UdsDialer;
pub use listener::{UdsListener, UdsPending};
pub use stream::UdsIo;
