//! The settings of who may come in: rules for addresses, and what happens at the total cap.

use std::sync::Arc;
use std::time::Duration;

use transport_core::schema::{format_duration, parse_duration, Raw, ValueError};

use super::{Limits, MAX_DURATION};
use crate::cidr::IpPrefixes;

/// The treatment of a new connection at `max_conns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes the place of an idle one, which ends in order.
    Evict,
}

impl Overflow {
    /// Returns the value of the key `overflow`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Evict => "evict",
        }
    }

    fn parse(text: &str) -> Result<Self, ValueError> {
        [Self::Refuse, Self::Evict]
            .into_iter()
            .find(|overflow| overflow.as_str() == text)
            .ok_or_else(|| ValueError::new("must be refuse or evict"))
    }
}

impl Limits {
    /// Returns the treatment of a new connection at [`max_conns`](Self::max_conns).
    #[must_use]
    pub const fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// How long a connection must have been idle before it can be evicted.
    #[must_use]
    pub const fn evict_after(&self) -> Duration {
        self.evict_after
    }

    /// IP peers that may connect; an empty list allows all.
    #[must_use]
    pub fn allowed_peers(&self) -> &IpPrefixes {
        &self.allow
    }

    /// IP peers that are refused, whatever [`allowed_peers`](Self::allowed_peers) says.
    #[must_use]
    pub fn denied_peers(&self) -> &IpPrefixes {
        &self.deny
    }

    pub(crate) const fn shared_allowed_peers(&self) -> &Arc<IpPrefixes> {
        &self.allow
    }

    pub(crate) const fn shared_denied_peers(&self) -> &Arc<IpPrefixes> {
        &self.deny
    }

    /// Sets what happens to a new connection at `max_conns`.
    pub fn set_overflow(&mut self, overflow: Overflow) -> &mut Self {
        self.overflow = overflow;
        self
    }

    /// Sets how long a connection must have been idle before it can be evicted: at least 1 s.
    ///
    /// # Errors
    /// When it is shorter, or longer than ten years.
    pub fn set_evict_after(&mut self, after: Duration) -> Result<&mut Self, ValueError> {
        if after < Duration::from_secs(1) {
            return Err(ValueError::new("must be at least 1s"));
        }
        if after > MAX_DURATION {
            return Err(ValueError::new("must be at most ten years"));
        }
        self.evict_after = after;
        Ok(self)
    }

    /// Sets which IP peers may connect; an empty list allows all.
    pub fn set_allowed_peers(&mut self, peers: IpPrefixes) -> &mut Self {
        self.allow = Arc::new(peers);
        self
    }

    /// Sets which IP peers are refused.
    pub fn set_denied_peers(&mut self, peers: IpPrefixes) -> &mut Self {
        self.deny = Arc::new(peers);
        self
    }
}

/// Sets one of these keys; returns whether the path is one of them.
pub(super) fn set(limits: &mut Limits, path: &str, value: &Raw) -> Result<bool, ValueError> {
    match path {
        "overflow" => _ = limits.set_overflow(Overflow::parse(value.text()?)?),
        "evict_after" => _ = limits.set_evict_after(parse_duration(value.text()?)?)?,
        "peers.allow" => _ = limits.set_allowed_peers(IpPrefixes::parse(&value.list())?),
        "peers.deny" => _ = limits.set_denied_peers(IpPrefixes::parse(&value.list())?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The value of one of these keys, as it would be written.
pub(super) fn get(limits: &Limits, path: &str) -> Option<String> {
    Some(match path {
        "overflow" => limits.overflow.as_str().to_owned(),
        "evict_after" => format_duration(limits.evict_after),
        "peers.allow" => limits.allow.to_string(),
        "peers.deny" => limits.deny.to_string(),
        _ => return None,
    })
}
