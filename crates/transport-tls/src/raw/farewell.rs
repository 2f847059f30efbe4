//! The end of a connection whose handshake failed, such that the peer learns why.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_core::Io;

/// How long the peer is given to take our alert: a round trip. No longer, since the deadline of the
/// handshake runs on, and what ends by it is counted as a timeout.
const LINGER: Duration = Duration::from_millis(100);
/// Bytes that are read meanwhile, at most.
const MAX_BYTES: usize = 64 << 10;

/// Ends our half and reads what is still coming. A socket that is closed with bytes unread resets
/// the connection, which takes back an alert that the peer has not read yet.
///
/// # Cancel safety
/// Dropping the future closes the connection at once.
pub(super) async fn farewell<I: Io>(mut io: I) {
    let drain = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let (mut buf, mut left) = ([0; 512], MAX_BYTES);
        while let Ok(read @ 1..) = io.read(&mut buf).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    // Whether the peer closed in time or not: this was all that could be done for it.
    let _ = timeout(LINGER, drain).await;
}
