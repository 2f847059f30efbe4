//! Joins two guarded streams.
//!
//! Half-closes are forwarded, and a failure aborts the other leg.

mod echo;
mod join;
mod leg;
mod outcome;
mod pipe;
mod waits;
mod wakers;

use std::future::Future;

pub use echo::echo;
use join::Join;
pub use leg::Leg;
pub use outcome::{RelayError, Relayed, Side};

/// Relays until both directions have ended or one side fails.
///
/// Deadlines and rates are those of the streams. Both streams are closed when the future resolves.
///
/// The legs share one activity clock and are idle together. A reset, a truncation or a deadline of
/// one stream aborts the other, after the bytes it sent before are delivered. A stream that accepts
/// no more bytes does not end the other direction: its own bytes are delivered up to its end of
/// stream, then both legs end.
///
/// ```
/// use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt};
/// use transport_core::Plain;
/// use transport_limits::relay;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut client, a) = duplex(64);
/// let (mut upstream, b) = duplex(64);
/// let relaying = tokio::spawn(relay(Plain(a), Plain(b)));
/// client.write_all(b"question").await?;
/// client.shutdown().await?;
/// let mut question = String::new();
/// upstream.read_to_string(&mut question).await?;
/// assert_eq!(question, "question");
/// drop(upstream);
/// let relayed = relaying.await??;
/// assert_eq!((relayed.a_to_b, relayed.b_to_a), (8, 0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The side that failed, its failure, and the bytes relayed before.
///
/// # Cancel safety
/// Dropping the future aborts both streams, unless they are idle.
pub fn relay<A: Leg, B: Leg>(
    a: A,
    b: B,
) -> impl Future<Output = Result<Relayed, RelayError>> + Send {
    Join::new(a, b, false)
}

/// Relays to a stream `b` that cannot half-close, as over Tor.
///
/// The end of one direction of `b` ends both, so the end of stream of `a` would truncate an answer.
/// It is withheld until `b` has received every byte and has sent nothing for 15 s. The end of `b`
/// ends the relay at once. Otherwise as [`relay`].
///
/// # Errors
/// As [`relay`].
///
/// # Cancel safety
/// As [`relay`].
pub fn relay_without_half_close<A: Leg, B: Leg>(
    a: A,
    b: B,
) -> impl Future<Output = Result<Relayed, RelayError>> + Send {
    Join::new(a, b, true)
}
