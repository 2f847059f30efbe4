//! Joins a guarded stream to itself.

use std::future::poll_fn;

use super::leg::Leg;
use super::outcome::{RelayError, Relayed, Side};
use super::pipe::{OneStream, Pipe, PipeError};

/// Sends received bytes back until the peer ends; returns their number.
///
/// Deadlines and rates are those of the stream. The stream is closed when the future resolves.
///
/// # Errors
/// When the stream fails before the peer has ended in order and received every byte.
///
/// # Cancel safety
/// Dropping the future closes the stream.
pub async fn echo<I: Leg>(mut io: I) -> Result<u64, RelayError> {
    io.expect_drop();
    let mut pipe = Pipe::new(false);
    let end = poll_fn(|cx| pipe.poll(cx, &mut OneStream(&mut io))).await;
    let bytes = pipe.bytes;
    match end {
        Ok(()) => Ok(bytes),
        Err(PipeError::Read(error) | PipeError::Write(error)) => {
            let relayed = Relayed {
                a_to_b: bytes,
                b_to_a: 0,
            };
            Err(RelayError::new(Side::A, relayed, error.into()))
        }
    }
}
