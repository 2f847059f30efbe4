//! The raw backend: TLS over any raw backend, without limits. Guard it before it faces a peer.

mod count;
mod dialer;
mod farewell;
mod held;
mod listener;
mod opening;
mod session;
mod stage;
mod stream;

pub use dialer::TlsDialer;
pub use listener::{TlsListener, TlsPending};
pub use stream::TlsIo;
