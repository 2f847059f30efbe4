//! Sends the bytes of a guarded stream back to it.

use std::future::poll_fn;

use transport_core::TransportError;

use super::leg::Leg;
use super::pipe::{OneStream, Pipe, PipeError};

/// The outcome of an echo.
#[derive(Debug)]
pub struct Echoed {
    /// Bytes sent back.
    pub bytes: u64,
    /// `Ok` if the peer ended in order and all its bytes were sent back.
    pub end: Result<(), TransportError>,
}

/// Sends received bytes back until the peer's end of stream.
///
/// Deadlines and throttling are those of the stream, which is closed when it returns.
///
/// # Cancel safety
/// Dropping the future closes the stream.
pub async fn echo<I: Leg>(mut io: I) -> Echoed {
    let mut pipe = Pipe::new(io.guard());
    let end = poll_fn(|cx| pipe.poll(cx, &mut OneStream(&mut io))).await;
    Echoed {
        bytes: pipe.bytes,
        end: end.map_err(|(PipeError::Read(error) | PipeError::Write(error))| error.into()),
    }
}
