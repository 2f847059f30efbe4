//! The clocks of a connection, and its next deadline.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use transport_core::{Direction, Op, Scope};

use super::ConnState;
use crate::clock::scatter;

impl ConnState {
    /// Joins two connections as the legs of a relay.
    ///
    /// Both are idle, or neither is.
    pub(crate) fn pair_with(self: &Arc<Self>, other: &Arc<Self>) {
        let _ = self.pair.set(Arc::downgrade(other));
        let _ = other.pair.set(Arc::downgrade(self));
    }

    pub(crate) fn pair(&self) -> Option<Arc<Self>> {
        self.pair.get()?.upgrade()
    }

    /// Returns whether both legs have no owed answer and nothing in flight.
    pub(crate) fn is_idle(&self) -> bool {
        let now = self.core.now();
        let idle = |leg: &Self| {
            let parked = |half: &Direction| leg.parked(*half).is_some();
            leg.activity.is_idle(leg.accepted, now) && !Direction::ALL.iter().any(parked)
        };
        idle(self) && self.pair().map_or(true, |other| idle(&other))
    }

    /// Returns the tick of the last activity, if idle, on either leg.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        if !self.is_idle() {
            return None;
        }
        let other = self.pair().map_or(0, |other| other.activity.at());
        Some(self.activity.at().max(other))
    }

    /// Notes that a direction has ended in order.
    ///
    /// The end is activity: the half-close timeout begins with it, whatever the silence before.
    pub(crate) fn half_ended(&self, direction: Direction) {
        if self.activity.has_ended(direction) {
            return;
        }
        self.activity.touch(self.core.now());
        self.activity.end(direction);
        // Running timers are armed for the idle timeout, which may be later.
        let idle = self.idle.load(Ordering::Relaxed);
        if idle == 0 || self.settings.half_close < idle {
            self.wake_all();
        }
    }

    pub(crate) fn set_idle(&self, ticks: u64) {
        self.idle.store(ticks, Ordering::Relaxed);
        self.wake_all();
    }

    /// Parks a half until a tick; its clocks stand still until then.
    pub(crate) fn park(&self, direction: Direction, scope: Scope, until: u64) {
        let rare = self.rare_or_init();
        rare.parked_for[direction as usize].store(scope as u8, Ordering::Relaxed);
        rare.parked_until[direction as usize].store(until, Ordering::Relaxed);
    }

    /// Returns the scope that a half waits for now.
    pub(crate) fn parked(&self, direction: Direction) -> Option<Scope> {
        let rare = self.rare()?;
        let until = rare.parked_until[direction as usize].load(Ordering::Relaxed);
        let scope = rare.parked_for[direction as usize].load(Ordering::Relaxed);
        (until > self.core.now()).then(|| Scope::ALL[usize::from(scope)])
    }

    /// Ends the wait of a half, and moves its clocks.
    ///
    /// They have stood still for `by` ticks.
    ///
    /// They never move past now: both halves may have been parked at once. A parked write gives a
    /// slow peer no time for the bytes it owes.
    pub(crate) fn unpark(&self, direction: Direction, by: u64) {
        let rare = self.rare_or_init();
        rare.parked_until[direction as usize].store(0, Ordering::Relaxed);
        let now = self.core.now();
        self.activity.shift(by, now);
        if direction == Direction::In && rare.owed.load(Ordering::Relaxed) != 0 {
            let shifted = |at: u64| Some(at.saturating_add(by).min(now));
            let _ = rare
                .owed_since
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, shifted);
        }
    }

    /// Sets the number of bytes that the peer owes; 0 clears it.
    pub(crate) fn owe(&self, bytes: u64) {
        if bytes == 0 && self.rare().is_none() {
            return;
        }
        let since = if bytes == 0 { 0 } else { self.core.now() };
        let rare = self.rare_or_init();
        rare.owed_since.store(since, Ordering::Relaxed);
        rare.owed.store(bytes, Ordering::Relaxed);
    }

    /// Deducts arrived bytes from the owed ones.
    pub(crate) fn paid(&self, bytes: u64) {
        let Some(rare) = self.rare() else {
            return;
        };
        if rare.owed.load(Ordering::Relaxed) != 0 {
            let less = |owed: u64| Some(owed.saturating_sub(bytes));
            let _ = rare
                .owed
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Returns the deadline of a read while the peer owes bytes.
    pub(crate) fn read_deadline(&self) -> Option<u64> {
        let rare = self.rare()?;
        let owed = rare.owed.load(Ordering::Relaxed) != 0;
        owed.then(|| {
            rare.owed_since
                .load(Ordering::Relaxed)
                .saturating_add(self.settings.read)
        })
    }

    /// Returns the tick from which this leg has been silent.
    ///
    /// The clock stands still while a half is parked, or while a write waits for the peer.
    fn active(&self) -> u64 {
        let silent = self.activity.silent_since();
        let Some(rare) = self.rare() else {
            return silent;
        };
        let [inbound, outbound] = &rare.parked_until;
        let parked = inbound
            .load(Ordering::Relaxed)
            .max(outbound.load(Ordering::Relaxed));
        parked.max(silent)
    }

    /// Returns the next idle, half-close or lifetime deadline of this leg.
    ///
    /// It is never later than [`end_of_relay`](Self::end_of_relay).
    pub(crate) fn end_of_life(&self) -> (u64, Op) {
        self.silent_until(self.active())
    }

    /// Returns the next such deadline by the clocks of both legs.
    ///
    /// Work announced by [`Control::busy`](crate::Control::busy) is activity.
    pub(crate) fn end_of_relay(&self) -> (u64, Op) {
        let now = || self.core.now();
        let active = |leg: &Self| {
            if leg.activity.is_busy() {
                now()
            } else {
                leg.active()
            }
        };
        let other = self.pair().map_or(0, |other| active(&other));
        self.silent_until(active(self).max(other))
    }

    fn silent_until(&self, active: u64) -> (u64, Op) {
        let idle = self.idle.load(Ordering::Relaxed);
        let mut next = (u64::MAX, Op::Idle);
        if idle != 0 {
            next.0 = active.saturating_add(idle);
        }
        if self.activity.is_half_closed() {
            let half_close = active.saturating_add(self.settings.half_close);
            if half_close < next.0 {
                next = (half_close, Op::HalfClose);
            }
        }
        let dies_at = self.dies_at();
        if dies_at <= next.0 {
            next = (dies_at, Op::Lifetime);
        }
        next
    }

    /// Returns the tick at which the maximal lifetime ends.
    pub(super) fn dies_at(&self) -> u64 {
        match self.settings.lifetime {
            0 => u64::MAX,
            // A tenth of it varies by connection, so that connections opened together do not end
            // and reconnect together.
            life => {
                let less = scatter(self.id(), self.born, life / 10);
                self.born.saturating_add(life - less)
            }
        }
    }
}
