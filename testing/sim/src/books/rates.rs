//! The oracle of rates: no window exceeds rate x time + burst.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::script::LimitPlan;

/// Bytes above a burst that rounding of the clock explains.
const SLACK: u64 = 64;
const NANOS: u128 = 1_000_000_000;

/// A leaky bucket.
///
/// Its level exceeds the burst exactly if some window exceeds the bound.
#[derive(Debug, Clone, Copy, Default)]
struct LeakyBucket {
    /// In billionths of a unit.
    level: u128,
    at: Option<Instant>,
}

impl LeakyBucket {
    fn add(&mut self, now: Instant, rate: u64, units: u64) -> u64 {
        let since = self.at.map_or(0, |at| now.duration_since(at).as_nanos());
        self.at = Some(now);
        self.level = self.level.saturating_sub(since * u128::from(rate));
        self.level += u128::from(units) * NANOS;
        u64::try_from(self.level / NANOS).unwrap_or(u64::MAX)
    }
}

/// One bucket for each scope and direction.
#[derive(Debug, Default)]
pub(crate) struct RateBooks {
    conns: BTreeMap<(usize, bool), LeakyBucket>,
    peers: BTreeMap<(u8, bool), LeakyBucket>,
    global: [LeakyBucket; 2],
    accepts: LeakyBucket,
    peer_accepts: BTreeMap<u8, LeakyBucket>,
}

impl RateBooks {
    /// Starts anew under changed rates, which each begin with a whole burst.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds bytes to all scopes; returns the bound that they exceed.
    pub(crate) fn add(
        &mut self,
        limits: &LimitPlan,
        now: Instant,
        stream: usize,
        address: Option<u8>,
        inbound: bool,
        bytes: u64,
    ) -> Option<String> {
        let global = if inbound {
            limits.ingress
        } else {
            limits.egress
        };
        let conn = self.conns.entry((stream, inbound)).or_default();
        let all = &mut self.global[usize::from(inbound)];
        let mut scopes = vec![
            ("connection", limits.per_conn, conn),
            ("global", global, all),
        ];
        if let Some(address) = address {
            let peer = self.peers.entry((address, inbound)).or_default();
            scopes.push(("peer", limits.per_peer, peer));
        }
        let mut over = None;
        for (scope, rate, bucket) in scopes {
            if rate == 0 {
                continue;
            }
            let level = bucket.add(now, rate, bytes);
            let burst = (rate / 4).max(limits.chunk);
            if level > burst + SLACK {
                over = Some(format!(
                    "{scope} rate {rate}/s, inbound {inbound}: stream {stream} is {} bytes over \
                     the burst of {burst}",
                    level - burst,
                ));
            }
        }
        over
    }

    /// Adds an admitted connection; returns the bound that it exceeds.
    pub(crate) fn admit(
        &mut self,
        limits: &LimitPlan,
        now: Instant,
        address: u8,
    ) -> Option<String> {
        let one = self.peer_accepts.entry(address).or_default();
        let scopes = [
            ("all peers", limits.accepts, &mut self.accepts),
            ("one peer", limits.peer_accepts, one),
        ];
        let mut over = None;
        for (whose, rate, bucket) in scopes {
            if rate != 0 && bucket.add(now, rate, 1) > rate {
                over = Some(format!("accepts of {whose} exceed {rate} per second"));
            }
        }
        over
    }
}
