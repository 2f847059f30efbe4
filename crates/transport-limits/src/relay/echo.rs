//! Joins a guarded stream to itself.

use std::future::poll_fn;

use transport_core::TransportError;

use super::pipe::{OneStream, Pipe, PipeError};
use super::Leg;

/// How an echo went.
#[derive(Debug)]
pub struct Echoed {
    /// Bytes sent back.
    pub bytes: u64,
    /// `Ok` when the peer ended in order and has everything back.
    pub end: Result<(), TransportError>,
}

/// Sends back what comes until the peer ends. Deadlines and pacing are those of the stream, which
/// is closed when it returns.
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
