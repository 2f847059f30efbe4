//! The frame reader of a connection.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::ReadHalf;
use transport_core::{ConnInfo, TransportError};
use transport_limits::{framed, Chunk, Control, FrameReader, FrameSender};

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

impl Conn {
    /// Splits the connection into a frame reader and a frame sender.
    ///
    /// The [`frame`](crate::frame) module describes the wire format.
    ///
    /// ```
    /// use ron_transport::{Conn, TransportError};
    ///
    /// async fn echo_frames(conn: Conn) -> Result<(), TransportError> {
    ///     let (mut frames, sender) = conn.into_framed();
    ///     while let Some(frame) = frames.read_frame().await? {
    ///         sender.send(frame).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn into_framed(self) -> (ConnFrames, FrameSender) {
        let (info, control) = (self.shared_info(), self.control().clone());
        let (reader, sender) = framed(self, &control);
        (ConnFrames::new(reader, info, control), sender)
    }
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

    /// Reads the next piece of a frame; `None` at the end.
    ///
    /// A piece has up to `chunk_bytes`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_send_and_sync() {
        const fn check<T: Send + Sync + 'static>() {}
        check::<ConnFrames>();
    }
}
