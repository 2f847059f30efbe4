//! A token bucket in one atomic word, with time passed in.
//!
//! It is the generic cell rate algorithm (ITU-T I.371). The word is the *theoretical arrival time*,
//! the tick at which the bucket would be full again. Taking tokens moves it into the future by their
//! price, at most as far as the burst allows. Passing time refills the bucket without a write.

use crate::clock::SECOND;
use crate::sync::{AtomicU64, Ordering};

/// A rate and its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_sec: u64,
    /// The price of the whole burst in ticks.
    burst: u64,
}

impl Rate {
    /// Returns a rate of bytes, or `None` for 0 (off).
    ///
    /// The burst is the bytes of a quarter of a second, at least `chunk_bytes`.
    #[must_use]
    pub fn bytes(per_sec: u64, chunk_bytes: u64) -> Option<Self> {
        if per_sec == 0 {
            return None;
        }
        let quarter = SECOND / 4;
        let burst = if per_sec / 4 >= chunk_bytes {
            quarter
        } else {
            price(chunk_bytes, per_sec)
        };
        Some(Self { per_sec, burst })
    }

    /// Returns a rate of events, or `None` for 0 (off).
    ///
    /// The burst is the events of one second, at least one.
    #[must_use]
    pub fn events(per_sec: u64) -> Option<Self> {
        (per_sec != 0).then_some(Self {
            per_sec,
            burst: SECOND,
        })
    }

    /// Returns the tokens per second.
    #[must_use]
    pub const fn per_sec(self) -> u64 {
        self.per_sec
    }

    /// Returns the price of the burst in ticks.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }

    /// Returns the price of `tokens` in ticks, rounded up.
    ///
    /// So rounding never overspends.
    #[must_use]
    pub fn price(self, tokens: u64) -> u64 {
        price(tokens, self.per_sec)
    }

    /// Returns the tokens that `ticks` pay for.
    fn worth(self, ticks: u64) -> u64 {
        let tokens = u128::from(ticks) * u128::from(self.per_sec) / u128::from(SECOND);
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }

    /// Returns the most tokens that can be taken at once.
    #[must_use]
    pub fn burst_tokens(self) -> u64 {
        self.worth(self.burst)
    }
}

fn price(tokens: u64, per_sec: u64) -> u64 {
    match tokens.checked_mul(SECOND) {
        Some(product) => product.div_ceil(per_sec),
        None => {
            let wide = (u128::from(tokens) * u128::from(SECOND)).div_ceil(u128::from(per_sec));
            u64::try_from(wide).unwrap_or(u64::MAX)
        }
    }
}

/// Tokens taken from a bucket and not yet settled.
#[derive(Debug, Clone, Copy)]
#[must_use = "unused tokens are lost unless the grant is settled"]
pub struct TokenGrant {
    rate: Rate,
    tokens: u64,
    paid: u64,
}

impl TokenGrant {
    /// Returns the number of tokens.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }
}

/// A token bucket; it starts full.
#[derive(Debug)]
pub struct TokenBucket {
    full_at: AtomicU64,
}

impl Default for TokenBucket {
    fn default() -> Self {
        Self {
            full_at: AtomicU64::new(0),
        }
    }
}

impl TokenBucket {
    /// Takes up to `want` tokens if at least `min` are available.
    ///
    /// Both are at most the burst.
    ///
    /// # Errors
    /// The ticks until `min` tokens are available.
    pub fn take(&self, now: u64, rate: Rate, want: u64, min: u64) -> Result<TokenGrant, u64> {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let base = full_at.max(now);
            let room = now.saturating_add(rate.burst).saturating_sub(base);
            let whole = rate.price(want);
            let (tokens, paid) = if whole <= room {
                (want, whole)
            } else {
                let tokens = rate.worth(room).min(want);
                (tokens, rate.price(tokens))
            };
            if tokens < min || paid > room {
                return Err(rate.price(min).saturating_sub(room));
            }
            match self.swap(full_at, base + paid) {
                Ok(()) => return Ok(TokenGrant { rate, tokens, paid }),
                Err(current) => full_at = current,
            }
        }
    }

    /// Gives back the unused tokens of a grant.
    pub fn settle(&self, grant: TokenGrant, used: u64) {
        if used >= grant.tokens {
            return;
        }
        let spent = if used == 0 {
            0
        } else {
            grant.rate.price(used).min(grant.paid)
        };
        let back = grant.paid - spent;
        if back == 0 {
            return;
        }
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        while let Err(current) = self.swap(full_at, full_at.saturating_sub(back)) {
            full_at = current;
        }
    }

    /// Caps the debt at an empty bucket of the new rate.
    pub fn rebase(&self, now: u64, rate: Rate) {
        self.full_at
            .fetch_min(now.saturating_add(rate.burst), Ordering::Relaxed);
    }

    /// Returns the tick from which the bucket is full.
    #[must_use]
    pub fn full_at(&self) -> u64 {
        self.full_at.load(Ordering::Relaxed)
    }

    // Relaxed is enough: the word is the whole state and guards no other memory.
    fn swap(&self, current: u64, new: u64) -> Result<(), u64> {
        self.full_at
            .compare_exchange_weak(current, new, Ordering::Relaxed, Ordering::Relaxed)
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests;
