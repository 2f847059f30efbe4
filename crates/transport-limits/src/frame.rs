//! Frames: a big-endian `u32` that counts the bytes after it, then these bytes. What is inside is
//! the embedder's.

mod inbox_memory;
mod memory;
mod reader;
mod writer;

pub use reader::{Chunk, FrameReader};
pub use writer::FrameSender;

use tokio::io::{split, ReadHalf};
use transport_core::Io;

use crate::control::Control;

/// Puts a guarded stream into framed mode: a reader, and a sender whose frames a task of this
/// connection writes. When every clone of the sender is dropped, what is queued is written and
/// the write half is closed.
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
