//! The raw backend, wrapped by the guard. It enforces no limit.

mod arrival;
mod circuit;
mod dialer;
mod listener;
mod stream;

pub(crate) use arrival::Arrival;
pub use dialer::ArtiDialer;
pub use listener::{ArtiListener, ArtiPending};
pub use stream::ArtiIo;
