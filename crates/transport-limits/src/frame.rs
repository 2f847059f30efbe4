//! Frames: a length, then that many bytes.
//!
//! # Wire format
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 bytes | `len`: length of the body in bytes, an unsigned big-endian integer |
//! | 4 | `len` bytes | body |
//!
//! Frames follow each other without padding, magic number or checksum. `len` does not count its own
//! four bytes. An empty body (`len` = 0) is a valid frame. The body is opaque: the library does not
//! parse it. OAP/1 has this format.
//!
//! # Rules
//!
//! - `len` is at most `limits.max_frame_bytes` (64 KiB to 1 MiB, default 1 MiB). The reader rejects
//!   a longer frame as `too_large` before it reads or reserves a byte of the body; the sender
//!   rejects it before it queues anything.
//! - A stream may end between two frames. An end inside a header or a body is
//!   [`FrameTruncated`](transport_core::TransportError::FrameTruncated).
//! - After the first byte of a frame, the rest of its header, and then each chunk of
//!   `limits.chunk_bytes`, must arrive within `read_timeout`.
//! - There is no framed half-close: the sender half-closes the stream when its last clone is
//!   dropped, and the peer reads an end of stream.

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
/// A task of the connection writes the frames of the sender. When every clone of the sender is
/// dropped, the task writes the queued frames and closes the write half.
///
/// ```
/// use transport_core::{Io, TransportError};
/// use transport_limits::{framed, GuardedIo};
///
/// /// Answers each frame with its length.
/// async fn lengths<I: Io>(io: GuardedIo<I>) -> Result<(), TransportError> {
///     let control = io.control();
///     let (mut frames, sender) = framed(io, &control);
///     while let Some(frame) = frames.read_frame().await? {
///         sender.send(frame.len().to_string().into()).await?;
///     }
///     Ok(())
/// }
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
