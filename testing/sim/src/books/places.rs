//! The accounts of places, and the oracles of caps and refusals.

use ron_transport::Reason;
use tokio::time::Instant;

use super::{Books, Place};

/// Most connections above `max_conns` that were evicted and are closing.
const MAX_SURPLUS: u64 = 256;
/// The least share of pending handshakes of one peer.
const LEAST_SHARE: u64 = 4;

/// The places in use, without the connection that is being judged.
#[derive(Debug, Default)]
struct InUse {
    all: u64,
    of_address: u64,
    pending: u64,
    pending_of_address: u64,
}

impl Books {
    /// Moves an accepted connection to its next place.
    pub(crate) fn placed(&mut self, id: usize, place: Place) {
        self.trace("placed", id as u64, place as u64);
        let before = self.streams[id].place;
        match (before, place) {
            (_, Place::Accepted) => {
                self.accepted += 1;
                // The transport admitted the one before; its handshake was not polled yet.
                self.judge();
                self.judged = Some(id);
            }
            (Place::Accepted, Place::Pending) if self.judged == Some(id) => self.judge(),
            (Place::Accepted, Place::Gone) if self.judged == Some(id) => {
                self.judged = None;
                let what = format!("stream {id} was dropped after its accept, uncounted");
                self.broken("accounting", what);
            }
            (Place::Accepted | Place::Pending, Place::Gone) => self.owed_rejects += 1,
            _ => {}
        }
        let stream = &mut self.streams[id];
        stream.place = place;
        if matches!(place, Place::Accepted | Place::Established) {
            stream.since = Instant::now();
            stream.was_established |= place == Place::Established;
        }
    }

    /// Checks the admission of the connection that was accepted last.
    pub(crate) fn judge(&mut self) {
        if let Some(id) = self.judged.take() {
            self.check_admitted(id);
        }
    }

    /// Returns the accepted connections in the hands of the transport.
    pub(crate) fn placed_count(&self) -> u64 {
        self.in_use(usize::MAX).all
    }

    fn in_use(&self, but: usize) -> InUse {
        let address = self.streams.get(but);
        let address = address.map(|stream| self.address(stream.peer));
        let mut used = InUse::default();
        for id in &self.open {
            let stream = &self.streams[*id];
            let free = matches!(stream.place, Place::Queued | Place::Gone);
            if *id == but || !stream.accepted || free {
                continue;
            }
            let same = Some(self.address(stream.peer)) == address;
            let pending = stream.place != Place::Established;
            used.all += 1;
            used.of_address += u64::from(same);
            used.pending += u64::from(pending);
            used.pending_of_address += u64::from(pending && same);
        }
        used
    }

    /// Checks the caps after an admission.
    fn check_admitted(&mut self, id: usize) {
        self.trace("admitted", id as u64, 0);
        let (limits, used) = (self.limits, self.in_use(id));
        let address = self.address(self.streams[id].peer);
        self.had_eviction |= limits.evict;
        let surplus = if self.had_eviction {
            MAX_SURPLUS.min(limits.max_conns)
        } else {
            0
        };
        let share = match limits.peer_pending {
            0 => (limits.max_pending / 4).max(LEAST_SHARE),
            share => share,
        };
        let peer_conns = match limits.peer_conns {
            0 => u64::MAX,
            most => most,
        };
        let caps = [
            ("max_conns", used.all, limits.max_conns + surplus),
            ("per_peer.max_conns", used.of_address, peer_conns),
            ("max_pending_handshakes", used.pending, limits.max_pending),
            ("handshakes of one peer", used.pending_of_address, share),
        ];
        for (cap, used, most) in caps {
            if used >= most {
                let what = format!("{cap}: {used} in use of {most}, and one more was admitted");
                self.broken("caps", what);
            }
        }
        if limits.deny == address {
            self.broken("caps", format!("denied address {address} was admitted"));
        }
        if self.overloaded {
            let what = format!("stream {id} was admitted during overload");
            self.broken("caps", what);
        }
        if let Some(what) = self.rates.admit(&limits, Instant::now(), address) {
            self.broken("rates", what);
        }
    }

    /// Checks that a limit explains the refusal of a connection.
    pub(super) fn check_refusal(&mut self, id: usize, reason: Reason) {
        self.trace("refused", id as u64, reason.index() as u64);
        let (limits, used) = (self.limits, self.in_use(id));
        let address = self.address(self.streams[id].peer);
        let free = limits.max_pending.saturating_sub(used.pending + 1);
        let share = match limits.peer_pending {
            0 => (limits.max_pending / 4).min(free).max(LEAST_SHARE),
            share => share,
        };
        let explained = match reason {
            Reason::ConnLimit => used.all >= limits.max_conns,
            Reason::PeerLimit => limits.peer_conns != 0 && used.of_address >= limits.peer_conns,
            Reason::HandshakeLimit => {
                used.pending >= limits.max_pending || used.pending_of_address >= share
            }
            Reason::RateLimited => limits.accepts != 0 || limits.peer_accepts != 0,
            Reason::Denied => limits.deny == address,
            Reason::Overload => self.overloaded,
            Reason::Draining => self.draining.is_some(),
            _ => false,
        };
        if !explained {
            let what = format!("stream {id} was refused as {reason}: {used:?} under {limits:?}");
            self.broken("refusals", what);
        }
        // Its drop follows.
        self.streams[id].place = Place::Gone;
        self.streams[id].refused = Some(reason);
    }
}
