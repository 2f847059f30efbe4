//! The oracles of each step: deadlines, places, memory.

use std::time::Duration;

use ron_transport::Limiter;
use tokio::time::Instant;

use super::{Books, Place, StreamBook};
use crate::script::Mode;

/// Time by which an end may follow its deadline.
const TICK: u64 = 300;
/// Longest lingering close.
const LINGER: u64 = 2000;
/// Time after which an aborted or cancelled connection is closed.
const CLOSED: u64 = 150;
/// The largest frame that a configuration allows.
const LARGEST_FRAME: u64 = 1 << 20;

/// Returns the part of a limit for one frame at a time.
pub(crate) fn reserve_of(limit: u64) -> u64 {
    (limit / 4).min(LARGEST_FRAME)
}

impl Books {
    /// Checks the open streams and the limiter's own figures.
    pub(crate) fn check_step(&mut self, limiter: &Limiter) {
        let open: Vec<usize> = self.open.iter().copied().collect();
        for id in open {
            if let Some(what) = self.overdue(id) {
                let peer = self.streams[id].peer;
                let what = format!("stream {id} of peer {peer}: {what}");
                self.broken("deadlines", what);
            }
        }
        let (admitted, placed) = (limiter.admitted(), self.placed_count());
        if admitted != placed {
            let what = format!("{admitted} places are taken, {placed} connections are open");
            self.broken("permits", what);
        }
        let dialed = self.open.iter().filter(|id| !self.streams[**id].accepted);
        let all = i64::try_from(placed).unwrap_or(0) + i64::try_from(dialed.count()).unwrap_or(0);
        if self.inflight != all {
            let what = format!("{} in flight, {all} connections are open", self.inflight);
            self.broken("accounting", what);
        }
        let held = limiter.memory_held();
        // The reported bytes include the free chunks, the charged ones do not.
        if i64::try_from(held).map_or(true, |held| held > self.memory_held) {
            let what = format!("{held} bytes are charged, {} reported", self.memory_held);
            self.broken("accounting", what);
        }
        let reserve = reserve_of(self.limits.memory);
        // A smaller limit of a reload takes no bytes back, and the reserve still grants one frame.
        let open = self.limits.memory - reserve;
        self.most_memory = open.max(self.most_memory.min(held));
        let allowed = self.most_memory + reserve;
        if held > allowed {
            let what = format!("{held} bytes are held, {allowed} are allowed");
            self.broken("memory", what);
        }
        if self.owed_rejects > 0 && self.draining.is_none() && self.stopped.is_none() {
            let what = format!("{} failed handshakes were not counted", self.owed_rejects);
            self.broken("accounting", what);
            self.owed_rejects = 0;
        }
    }

    /// Returns the deadline that a stream has outlived.
    fn overdue(&mut self, id: usize) -> Option<String> {
        let (last, half) = self.activity(id);
        let is_left = self.is_left_leg(id);
        let ended = self.streams[id].ended;
        let last = last.max(ended.unwrap_or(last));
        let limits = self.limits;
        let jumped = self.jumped;
        let stream = &mut self.streams[id];
        let over = |since: Instant, ms: u64| {
            let since = jumped.map_or(since, |at| at.max(since));
            since.elapsed() > Duration::from_millis(ms)
        };
        if stream.accepted && matches!(stream.place, Place::Accepted | Place::Pending) {
            let late = over(stream.since, limits.handshake_ms + TICK);
            return late.then(|| "its handshake outlives handshake_timeout".to_owned());
        }
        if stream.place != Place::Established {
            return None;
        }
        if let Some(at) = stream.aborted {
            return over(at, CLOSED).then(|| "it is open after its abort".to_owned());
        }
        // A leg whose other one has failed sends its last bytes for as long as a lingering close.
        let last_bytes = if is_left { LINGER } else { 0 };
        let bound = limits.write_ms * 17 / 16 + TICK + last_bytes;
        let stalled = stalled_since(stream).filter(|_| !self.had_rates);
        if stalled.is_some_and(|at| over(at, bound)) {
            return Some("its peer reads nothing for longer than write_timeout".to_owned());
        }
        let lifetime = limits.lifetime_ms;
        if lifetime != 0 && over(stream.since, lifetime + LINGER + TICK) {
            return Some("it outlives max_lifetime".to_owned());
        }
        let plan = &self.plans[stream.peer];
        let peer = &self.peers[stream.peer];
        // A connection that was closing in order lingers.
        let bound = ended.map_or(CLOSED, |_| CLOSED + LINGER);
        let cancelled = peer.cancelled.filter(|_| stream.accepted);
        if cancelled.is_some_and(|at| over(at, bound)) {
            return Some("it is open after its cancel".to_owned());
        }
        // A parked or busy connection is not idle.
        if self.had_rates || matches!(plan.mode, Mode::Busy { .. } | Mode::Framed { .. }) {
            return None;
        }
        let limit = [
            (limits.idle_ms != 0).then_some(limits.idle_ms),
            half.then_some(limits.half_close_ms),
        ];
        let limit = limit.into_iter().flatten().min()?;
        let bound = limit + limits.write_ms * 17 / 16 + LINGER + TICK;
        over(last, bound).then(|| format!("it is silent for over {bound} ms"))
    }
}

/// Returns since when a write waits for a peer that reads nothing.
fn stalled_since(stream: &mut StreamBook) -> Option<Instant> {
    let (since, taken) = stream.blocked?;
    let (now_taken, is_full) = stream.outgoing.as_ref()?.progress();
    if now_taken != taken || !is_full {
        stream.blocked = Some((Instant::now(), now_taken));
        return None;
    }
    Some(since)
}
