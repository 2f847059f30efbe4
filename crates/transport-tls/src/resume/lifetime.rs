//! The limits to the lifetime of a session.

use crate::dates::Seconds;

/// Longest time between a full handshake and the last resumption that goes back to it.
pub(crate) const MAX_AGE: Seconds = 12 * 3600;
/// Encoded length: a version and two numbers.
pub(super) const LEN: usize = 1 + 8 + 8;
/// The version of the encoding.
const VERSION: u8 = 1;

/// The limits to the lifetime of a session, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionLifetime {
    /// The last full handshake.
    pub(crate) began: Seconds,
    /// The earliest `notAfter` of the certificates that the peer sent.
    pub(crate) until: Seconds,
}

impl SessionLifetime {
    /// Seconds that are left for a resumption; `None` where the session is too old.
    pub(super) fn left(self, now: Seconds) -> Option<Seconds> {
        // A clock that was set back leaves no session older than it is.
        let age = now.saturating_sub(self.began);
        let of_chain = self.until.saturating_sub(now);
        let left = MAX_AGE.saturating_sub(age).min(of_chain);
        (left > 0).then_some(left)
    }

    pub(super) fn encode(self) -> [u8; LEN] {
        let mut bytes = [VERSION; LEN];
        bytes[1..9].copy_from_slice(&self.began.to_be_bytes());
        bytes[9..].copy_from_slice(&self.until.to_be_bytes());
        bytes
    }

    /// Reads facts from the start of a ticket's plaintext.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(Seconds::from_be_bytes(bytes))
        };
        (bytes.first() == Some(&VERSION)).then_some(())?;
        Some(Self {
            began: number(1)?,
            until: number(9)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_chain_bound_the_rest() {
        let facts = SessionLifetime {
            began: 1_000_000,
            until: 1_010_000,
        };
        for (now, left) in [
            (999_000, Some(11_000)),
            (1_000_000, Some(10_000)),
            (1_009_999, Some(1)),
            (1_010_000, None),
        ] {
            assert_eq!(facts.left(now), left, "{now}");
        }
        let long = SessionLifetime {
            until: Seconds::MAX,
            ..facts
        };
        assert_eq!(long.left(1_000_000 + MAX_AGE - 1), Some(1));
        assert_eq!(long.left(1_000_000 + MAX_AGE), None);
    }

    #[test]
    fn encoding_round_trips_and_short_input_is_none() {
        let facts = SessionLifetime {
            began: 7,
            until: Seconds::MAX,
        };
        let bytes = facts.encode();
        assert_eq!(SessionLifetime::decode(&bytes), Some(facts));
        assert_eq!(SessionLifetime::decode(&bytes[..LEN - 1]), None);
        assert_eq!(SessionLifetime::decode(&[0; LEN]), None);
        assert_eq!(SessionLifetime::decode(&[]), None);
    }
}
