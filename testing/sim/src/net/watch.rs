//! The events of a simulated connection, for the books.

use std::fmt;

/// Receives the bytes and ends of one stream of the transport.
pub(crate) trait StreamWatch: fmt::Debug + Send {
    /// Notes bytes that the transport has read.
    fn read(&self, bytes: usize);
    /// Notes bytes that the transport has written.
    fn wrote(&self, bytes: usize);
    /// Notes that the transport has read the end of stream.
    fn read_end(&self);
    /// Notes a write without room; the peer has read `taken` bytes.
    fn write_waits(&self, taken: u64);
    /// Notes a failed write: the peer has closed.
    fn write_failed(&self);
    /// Notes that the transport has ended its direction.
    fn ended(&self);
    /// Notes that the transport has aborted the stream.
    fn aborted(&self);
}

/// Receives the progress of one accepted connection, until it is dropped.
pub(crate) trait PlaceWatch: fmt::Debug + Send {
    /// Notes that the transport has accepted the connection.
    fn accepted(&self);
    /// Notes that its handshake has begun.
    fn began(&self);
    /// Notes that its handshake has succeeded.
    fn established(&self);
}
