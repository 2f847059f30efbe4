//! Length-prefixed frames: a big-endian `u32` with the body's length, then the body.
//!
//! The length counts the body only. The content is opaque to this crate.

mod inbox_memory;
mod memory;
mod reader;
mod writer;

pub use reader::{Chunk, FrameReader};
pub use writer::FrameSender;

use tokio::io::{split, ReadHalf};
use transport_core::Io;

use crate::control::Control;

/// Splits a guarded stream into a frame reader and a frame sender.
///
/// On the wire a frame is a big-endian `u32`, the length of its body in bytes, then the body. A task
/// of the connection writes the queued frames. When every clone of the sender is dropped, the task
/// writes the rest of the queue and closes the write half.
///
/// ```
/// # use std::sync::Arc;
/// # use transport_core::{NoObserver, Target, TransportError};
/// # use transport_limits::{framed, Guard, Limiter, Limits};
/// # async fn example<D: transport_core::Dialer>(raw: D) -> Result<(), TransportError> {
/// # let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver)).expect("valid");
/// # let to: Target = "127.0.0.1:7000".parse().expect("valid");
/// let connection = Guard::new(raw, &limiter).dial(&to).await?;
/// let control = connection.io.control();
/// let (mut reader, sender) = framed(connection.io, &control);
/// sender.send("ping".into()).await?;
/// let pong = reader.read_frame().await?;
/// # drop(pong);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Outside of a tokio runtime.
pub fn framed<I: Io>(io: I, control: &Control) -> (FrameReader<ReadHalf<I>>, FrameSender) {
    control.set_framed();
    let (read, write) = split(io);
    (
        FrameReader::new(read, control.clone()),
        FrameSender::spawn(write, control.clone()),
    )
}
