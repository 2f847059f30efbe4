//! Why and how a connection ends, as values of one atomic word.

use std::io;

use transport_core::{CloseReason, Op, TransportError};

/// How the peer sees the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseMode {
    /// An end of stream after all written bytes, then a lingering close.
    InOrder,
    /// An error, at once.
    Abort,
    /// An error, after all written bytes were sent.
    AbortSent,
}

/// Why the library ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    /// `Control::cancel`, or the deadline of a drain.
    Cancelled = 1,
    /// No byte moved within the idle timeout.
    Idle,
    /// No byte moved within the half-close timeout after one direction had ended.
    HalfClose,
    /// The maximal lifetime, in the middle of a transfer.
    Lifetime,
    /// The maximal lifetime, with nothing in flight.
    LifetimeIdle,
    /// A read deadline.
    Read,
    /// A write deadline.
    Write,
    /// A drain, with nothing in flight.
    Drained,
    /// The other leg of the relay failed.
    PeerFailed,
    /// The peer reset the connection while no operation was pending.
    Reset,
    /// The handler panicked.
    Panicked,
    /// The stream was dropped.
    Closed,
    /// A new connection took its place while idle.
    Evicted,
    /// The handshake deadline of an upgrade.
    Handshake,
}

/// Every ending, at the index of its discriminant minus one.
const ALL: [Ending; 14] = [
    Ending::Cancelled,
    Ending::Idle,
    Ending::HalfClose,
    Ending::Lifetime,
    Ending::LifetimeIdle,
    Ending::Read,
    Ending::Write,
    Ending::Drained,
    Ending::PeerFailed,
    Ending::Reset,
    Ending::Panicked,
    Ending::Closed,
    Ending::Evicted,
    Ending::Handshake,
];

impl Ending {
    /// Converts the state word; 0 is an open connection.
    pub(crate) fn from_word(word: u8) -> Option<Self> {
        let at = usize::from(word).checked_sub(1)?;
        ALL.get(at).copied()
    }

    pub(crate) const fn word(self) -> u8 {
        self as u8
    }

    /// Returns the ending for the failure of an operation.
    pub(crate) const fn of(error: &TransportError) -> Self {
        match error {
            TransportError::Timeout { op } => match op {
                Op::Idle => Self::Idle,
                Op::HalfClose => Self::HalfClose,
                Op::Lifetime => Self::Lifetime,
                Op::Read => Self::Read,
                Op::Handshake => Self::Handshake,
                _ => Self::Write,
            },
            TransportError::Closed => Self::Closed,
            TransportError::PeerFailed => Self::PeerFailed,
            _ => Self::Cancelled,
        }
    }

    /// Returns the error of later operations on the connection.
    pub(crate) fn error(self) -> TransportError {
        let timeout = |op| TransportError::Timeout { op };
        match self {
            Self::Cancelled | Self::Drained | Self::Panicked | Self::Evicted => {
                TransportError::Cancelled
            }
            Self::Idle => timeout(Op::Idle),
            Self::HalfClose => timeout(Op::HalfClose),
            Self::Lifetime | Self::LifetimeIdle => timeout(Op::Lifetime),
            Self::Read => timeout(Op::Read),
            Self::Write => timeout(Op::Write),
            Self::Handshake => timeout(Op::Handshake),
            Self::PeerFailed => TransportError::PeerFailed,
            Self::Reset => TransportError::Io(io::ErrorKind::ConnectionReset.into()),
            Self::Closed => TransportError::Closed,
        }
    }

    /// Returns the close reason, or `None` for a dropped stream.
    pub(crate) fn close_reason(self) -> Option<CloseReason> {
        match self {
            Self::Closed => None,
            Self::Panicked => Some(CloseReason::Error),
            Self::Evicted => Some(CloseReason::Evicted),
            ending => Some(ending.error().close_reason()),
        }
    }

    pub(crate) const fn close_mode(self) -> CloseMode {
        match self {
            Self::Idle
            | Self::HalfClose
            | Self::LifetimeIdle
            | Self::Drained
            | Self::Closed
            | Self::Evicted => CloseMode::InOrder,
            Self::PeerFailed => CloseMode::AbortSent,
            Self::Cancelled
            | Self::Lifetime
            | Self::Read
            | Self::Write
            | Self::Handshake
            | Self::Reset
            | Self::Panicked => CloseMode::Abort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_words_round_trip() {
        assert_eq!(Ending::from_word(0), None);
        for (at, ending) in ALL.into_iter().enumerate() {
            assert_eq!(usize::from(ending.word()), at + 1);
            assert_eq!(Ending::from_word(ending.word()), Some(ending));
        }
        assert_eq!(Ending::from_word(15), None);
    }

    #[test]
    fn errors_round_trip() {
        for ending in [
            Ending::Idle,
            Ending::HalfClose,
            Ending::Lifetime,
            Ending::Read,
            Ending::Write,
            Ending::Handshake,
            Ending::PeerFailed,
            Ending::Cancelled,
            Ending::Closed,
        ] {
            assert_eq!(Ending::of(&ending.error()), ending);
        }
    }
}
