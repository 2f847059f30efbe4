//! The send buffer size of a connection.

use std::io;

use socket2::SockRef;
use tokio::net::UnixStream;

/// Sets the send buffer.
///
/// Progress is then visible in steps of at most a chunk.
///
/// A socket accepts bytes until its buffer is full, in pieces of at most half of it. It is writable
/// again once a quarter is left (`unix_writable` in Linux). So a step is at most 5/4 of the buffer,
/// and the buffer has 3/4 of a chunk. The kernel doubles the value that it receives.
pub(super) fn apply(stream: &UnixStream, chunk_bytes: usize) -> io::Result<()> {
    SockRef::from(stream).set_send_buffer_size(chunk_bytes / 8 * 3)
}
