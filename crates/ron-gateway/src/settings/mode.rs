//! The setting `mode`.

/// The service for accepted connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Sends every byte back.
    Echo,
    /// Sends every frame back.
    EchoFrames,
    /// Relays to a connection that is dialed for it.
    Forward,
}

ron_transport::schema::choice!(pub(crate) Mode {
    Echo: "echo",
    EchoFrames: "echo_frames",
    Forward: "forward",
});
