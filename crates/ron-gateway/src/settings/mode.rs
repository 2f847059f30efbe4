//! The setting `mode`.

/// What happens to an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every byte goes back.
    Echo,
    /// Every frame goes back.
    EchoFrames,
    /// Joined with a connection that is dialed for it.
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
