//! The frame reader of a connection.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::ReadHalf;
use transport_core::{ConnInfo, TransportError};
use transport_limits::{Chunk, Control, FrameReader};

use crate::conn::Conn;

/// Reads the frames of a [`Conn`], whole or chunk by chunk.
///
/// [`Conn::into_framed`] returns it. The limits on frames are those of
/// [`FrameReader`].
pub struct ConnFrames {
    reader: FrameReader<ReadHalf<Conn>>,
    info: Arc<ConnInfo>,
    control: Control,
}

impl ConnFrames {
    pub(crate) const fn new(
        reader: FrameReader<ReadHalf<Conn>>,
        info: Arc<ConnInfo>,
        control: Control,
    ) -> Self {
        Self {
            reader,
            info,
            control,
        }
    }

    /// Reads a whole frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`], [`TransportError::FrameTruncated`], a deadline, or the
    /// stream's failure; [`TransportError::Closed`] at every later call.
    ///
    /// # Cancel safety
    /// Cancel-safe: received bytes stay for the next call.
    pub async fn read_frame(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.reader.read_frame().await
    }

    /// Reads the next piece of a frame, up to `chunk_bytes`; `None` at the end.
    ///
    /// # Errors
    /// As [`read_frame`](Self::read_frame).
    ///
    /// # Cancel safety
    /// Cancel-safe: received bytes stay for the next call.
    pub async fn read_chunk(&mut self) -> Result<Option<Chunk>, TransportError> {
        self.reader.read_chunk().await
    }

    /// Returns the description of the connection.
    #[must_use]
    pub fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Returns the handle that cancels and counts this connection.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }
}

impl std::fmt::Debug for ConnFrames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnFrames")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
