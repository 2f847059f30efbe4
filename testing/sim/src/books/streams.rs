//! The accounts of streams: bytes, ends, silence.

use tokio::time::Instant;

use super::{Books, Place, StreamBook};
use crate::script::Mode;

impl Books {
    /// Opens the account of a stream; returns its number.
    pub(crate) fn open(&mut self, peer: usize, accepted: bool) -> usize {
        let now = Instant::now();
        let id = self.streams.len();
        self.streams.push(StreamBook {
            peer,
            accepted,
            place: if accepted {
                Place::Queued
            } else {
                Place::Established
            },
            read: 0,
            wrote: 0,
            since: now,
            refused: None,
            was_established: !accepted,
            silent: false,
            moved_at: now,
            was_inbound: false,
            blocked: None,
            read_end: false,
            ended: None,
            aborted: None,
            is_open: true,
            outgoing: None,
        });
        let book = &mut self.peers[peer];
        if accepted {
            book.stream = Some(id);
        } else {
            book.dialed = Some(id);
        }
        self.open.insert(id);
        self.trace("open", peer as u64, u64::from(accepted));
        id
    }

    /// Adds bytes that the transport has read or written.
    pub(crate) fn moved(&mut self, id: usize, inbound: bool, bytes: u64) {
        self.trace(if inbound { "read" } else { "write" }, id as u64, bytes);
        let now = Instant::now();
        let stream = &mut self.streams[id];
        stream.moved_at = now;
        stream.was_inbound = inbound;
        if inbound {
            stream.read += bytes;
        } else {
            stream.wrote += bytes;
            stream.blocked = None;
        }
        let (accepted, peer) = (stream.accepted, stream.peer);
        self.own_bytes[usize::from(accepted)][usize::from(inbound)] += bytes;
        let address = accepted.then(|| self.address(peer));
        let over = self
            .rates
            .add(&self.limits, now, id, address, inbound, bytes);
        if let Some(what) = over {
            self.broken("rates", what);
        }
    }

    pub(crate) fn read_end(&mut self, id: usize) {
        self.trace("read_end", id as u64, 0);
        self.streams[id].read_end = true;
        self.streams[id].moved_at = Instant::now();
    }

    /// Notes a write that found no room.
    pub(crate) fn write_waits(&mut self, id: usize, taken: u64) {
        let stream = &mut self.streams[id];
        match stream.blocked {
            Some((_, before)) if before == taken => {}
            _ => stream.blocked = Some((Instant::now(), taken)),
        }
    }

    /// Notes a failed write: no later one waits for the peer.
    pub(crate) fn write_failed(&mut self, id: usize) {
        self.streams[id].blocked = None;
    }

    /// Notes that the transport ended a stream in order. No answer may be owed.
    pub(crate) fn ended(&mut self, id: usize) {
        self.trace("ended", id as u64, 0);
        let stream = &mut self.streams[id];
        stream.ended = Some(Instant::now());
        stream.blocked = None;
        let (accepted, at) = (stream.accepted, stream.peer);
        self.streams[id].silent = self.is_silent(id);
        if !accepted {
            return;
        }
        let peer = &self.peers[at];
        let (asked, answered) = (peer.asked, peer.answered);
        let explained = self.streams[id].silent || self.is_pipelined(id);
        if peer.panicked {
            let what = format!("peer {at} of a panicked handler was ended in order");
            self.broken("cut looks whole", what);
        } else if asked > answered && !explained {
            let what = format!("peer {at} was ended in order after {answered} of {asked} answers");
            self.broken("owed answer", what);
        }
    }

    /// Returns whether an end in order may miss the owed answer.
    ///
    /// On a raw connection it sees bytes only: the last one was ours, 1 s ago, after whole answers. Then
    /// the request was sent before the end of the last answer. Frames are counted.
    fn is_pipelined(&self, id: usize) -> bool {
        let stream = &self.streams[id];
        let (peer, mode) = (&self.peers[stream.peer], self.plans[stream.peer].mode);
        let is_raw = !matches!(mode, Mode::Framed { .. } | Mode::Busy { .. });
        let between = peer.begun.last().copied() == Some(stream.wrote);
        let quiet = stream.moved_at.elapsed().as_millis() >= 1000;
        let ends = self.draining.is_some() || self.had_eviction || self.limits.lifetime_ms != 0;
        ends && is_raw && !stream.was_inbound && between && quiet
    }

    /// Returns whether the idle or half-close timeout explains an end.
    pub(crate) fn is_silent(&self, id: usize) -> bool {
        let (last, half) = self.activity(id);
        let limits = [
            (self.limits.idle_ms != 0).then_some(self.limits.idle_ms),
            half.then_some(self.limits.half_close_ms),
        ];
        let limit = limits.into_iter().flatten().min();
        limit.is_some_and(|limit| last.elapsed().as_millis() + 5 >= u128::from(limit))
    }

    /// Returns the last activity of both legs.
    ///
    /// Also whether a direction has ended.
    pub(super) fn activity(&self, id: usize) -> (Instant, bool) {
        let peer = &self.peers[self.streams[id].peer];
        let legs = [peer.stream, peer.dialed].into_iter().flatten();
        let legs = legs.map(|id| &self.streams[id]);
        let (mut last, mut half) = (self.streams[id].since, false);
        for leg in legs {
            last = last.max(leg.moved_at).max(leg.since);
            half |= leg.read_end || leg.ended.is_some();
        }
        (last, half)
    }

    /// Returns whether the other leg of the stream's relay is closed.
    pub(super) fn is_left_leg(&self, id: usize) -> bool {
        let peer = &self.peers[self.streams[id].peer];
        let legs = [peer.stream, peer.dialed].into_iter().flatten();
        legs.filter(|leg| *leg != id)
            .any(|leg| !self.streams[leg].is_open)
    }

    pub(crate) fn aborted(&mut self, id: usize) {
        self.trace("aborted", id as u64, 0);
        self.streams[id].aborted = Some(Instant::now());
        self.streams[id].blocked = None;
    }

    pub(crate) fn gone(&mut self, id: usize) {
        self.trace("gone", id as u64, 0);
        self.streams[id].is_open = false;
        self.open.remove(&id);
    }
}
