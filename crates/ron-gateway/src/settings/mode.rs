//! The setting `mode`.

/// The handler of accepted connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Echoes every byte.
    Echo,
    /// Echoes every frame.
    EchoFrames,
    /// Dials the target and relays both connections.
    Forward,
}

impl Mode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::EchoFrames => "echo_frames",
            Self::Forward => "forward",
        }
    }
}
