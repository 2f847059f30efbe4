//! Lingering close after a failed handshake.
//!
//! The peer thereby receives the alert.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use transport_core::Io;

/// Time for the peer to receive the alert: about one round trip.
///
/// It counts towards the handshake deadline. A longer linger would turn handshake failures into
/// timeouts.
const LINGER: Duration = Duration::from_millis(100);
/// Most bytes that are discarded while lingering.
const MAX_DISCARDED_BYTES: usize = 64 << 10;

/// Shuts down the write half, then discards incoming bytes.
///
/// Ends at EOF or after [`LINGER`]. A socket that is closed with unread bytes resets the
/// connection, and the reset can destroy an alert that the peer has not read yet.
///
/// # Cancel safety
/// Dropping the future closes the connection at once.
pub(super) async fn lingering_close<I: Io>(mut io: I) {
    let drain = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut left = MAX_DISCARDED_BYTES;
        while left > 0 {
            let mut space = [0; 512];
            let mut buf = ReadBuf::new(&mut space);
            let discarded = poll_fn(|cx| io.poll_discard(cx, &mut buf)).await;
            if discarded.is_err() || buf.filled().is_empty() {
                return;
            }
            left = left.saturating_sub(buf.filled().len());
        }
    };
    // The connection closes either way.
    let _ = timeout(LINGER, drain).await;
}
