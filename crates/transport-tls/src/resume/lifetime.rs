//! The lifetime of a session, as stored in its tickets.

use crate::dates::Seconds;

/// Longest time from a full handshake to its last resumption.
pub(crate) const MAX_AGE: Seconds = 12 * 3600;
/// Encoded length in bytes: a version and two numbers.
pub(super) const LEN: usize = 1 + 8 + 8;
/// The version of the encoding.
const VERSION: u8 = 1;

/// The limits of a session's lifetime, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionLifetime {
    /// Time of the last full handshake.
    pub(super) full_handshake_at: Seconds,
    /// The earliest `notAfter` of the certificates that the peer sent.
    pub(super) chain_not_after: Seconds,
}

impl SessionLifetime {
    /// Returns the seconds left for a resumption; `None` for an expired session.
    pub(super) fn remaining(self, now: Seconds) -> Option<Seconds> {
        // Zero after the clock was set back.
        let age = now.saturating_sub(self.full_handshake_at);
        let of_chain = self.chain_not_after.saturating_sub(now);
        let remaining = MAX_AGE.saturating_sub(age).min(of_chain);
        (remaining > 0).then_some(remaining)
    }

    pub(super) fn encode(self) -> [u8; LEN] {
        let mut bytes = [VERSION; LEN];
        bytes[1..9].copy_from_slice(&self.full_handshake_at.to_be_bytes());
        bytes[9..].copy_from_slice(&self.chain_not_after.to_be_bytes());
        bytes
    }

    /// Decodes the start of a ticket's plaintext.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(Seconds::from_be_bytes(bytes))
        };
        (bytes.first() == Some(&VERSION)).then_some(())?;
        Some(Self {
            full_handshake_at: number(1)?,
            chain_not_after: number(9)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_chain_limit_remaining_time() {
        let lifetime = SessionLifetime {
            full_handshake_at: 1_000_000,
            chain_not_after: 1_010_000,
        };
        for (now, remaining) in [
            (999_000, Some(11_000)),
            (1_000_000, Some(10_000)),
            (1_009_999, Some(1)),
            (1_010_000, None),
        ] {
            assert_eq!(lifetime.remaining(now), remaining, "{now}");
        }
        let long = SessionLifetime {
            chain_not_after: Seconds::MAX,
            ..lifetime
        };
        assert_eq!(long.remaining(1_000_000 + MAX_AGE - 1), Some(1));
        assert_eq!(long.remaining(1_000_000 + MAX_AGE), None);
    }

    #[test]
    fn encoding_round_trips_and_short_input_is_none() {
        let lifetime = SessionLifetime {
            full_handshake_at: 7,
            chain_not_after: Seconds::MAX,
        };
        let bytes = lifetime.encode();
        assert_eq!(SessionLifetime::decode(&bytes), Some(lifetime));
        assert_eq!(SessionLifetime::decode(&bytes[..LEN - 1]), None);
        assert_eq!(SessionLifetime::decode(&[0; LEN]), None);
        assert_eq!(SessionLifetime::decode(&[]), None);
    }
}
