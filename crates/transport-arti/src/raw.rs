//! The raw backend: what the guard wraps. No limit is enforced here.

mod circuit;
mod dialer;
mod listener;
mod sharing;
mod stream;

pub use dialer::ArtiDialer;
pub use listener::{ArtiListener, ArtiPending};
pub(crate) use sharing::Sharing;
pub use stream::ArtiIo;
