//! Streams that a relay can join.

use tokio::io::{AsyncRead, AsyncWrite};
use transport_core::{Io, Plain};

use crate::control::Control;
use crate::io::GuardedIo;

/// A stream that can be a leg of a relay.
pub trait Leg: Io {
    /// Returns the connection's handle; `None` without a guard.
    fn guard(&self) -> Option<&Control>;
}

impl<I: Io> Leg for GuardedIo<I> {
    fn guard(&self) -> Option<&Control> {
        Some(self.control_ref())
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Leg for Plain<T> {
    fn guard(&self) -> Option<&Control> {
        None
    }
}
