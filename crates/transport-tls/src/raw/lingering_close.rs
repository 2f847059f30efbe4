//! The end of a connection whose handshake failed, such that the peer learns why.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadBuf};
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
pub(super) async fn lingering_close<I: Io>(mut io: I) {
    let drain = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut left = MAX_BYTES;
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
    // Whether the peer closed in time or not: this was all that could be done for it.
    let _ = timeout(LINGER, drain).await;
}
