//! The oracles of ends: no cut looks whole, honest requests are answered.

use tokio::time::Instant;

use super::{Books, Outcome, Place};
use crate::script::Mode;

impl Books {
    /// Checks an end of stream that a peer has seen.
    pub(crate) fn end_seen(&mut self, peer: usize, received: u64) {
        self.trace("end_seen", peer as u64, received);
        let whole = self.whole(peer);
        let book = &self.peers[peer];
        let Some(stream) = book.stream.map(|id| &self.streams[id]) else {
            return;
        };
        // The upstream of a relay was silent in the middle of an answer.
        let relayed = matches!(self.plans[peer].mode, Mode::Relay(_));
        let silent = stream.silent && relayed;
        if received != whole && !silent {
            let what = format!(
                "peer {peer} saw an end of stream after {received} of {whole} bytes ({:?})",
                self.plans[peer].mode
            );
            self.broken("cut looks whole", what);
        }
    }

    /// Describes a stream for people.
    fn describe(&self, id: usize) -> String {
        let stream = &self.streams[id];
        let ms = |at: Instant| at.duration_since(self.start).as_millis();
        let at = |at: Option<Instant>| at.map_or("never".to_owned(), |at| ms(at).to_string());
        format!(
            "{:?}, read {}, wrote {}, since {}, moved {}, ended {}, aborted {}, refused {:?}",
            stream.place,
            stream.read,
            stream.wrote,
            ms(stream.since),
            ms(stream.moved_at),
            at(stream.ended),
            at(stream.aborted),
            stream.refused,
        )
    }

    /// Returns the bytes of all answers that were begun.
    fn whole(&self, peer: usize) -> u64 {
        let book = &self.peers[peer];
        let read = |id: Option<usize>| id.map_or(0, |id| self.streams[id].read);
        match self.plans[peer].mode {
            Mode::Echo => read(book.stream),
            Mode::Relay(_) => {
                // An answer that has not reached the transport is not begun.
                let read = read(book.dialed);
                let mut ends = book.begun.iter().copied();
                match read {
                    0 => 0,
                    read => ends.find(|end| *end >= read).unwrap_or(read),
                }
            }
            Mode::Panic { .. } | Mode::Hold => 0,
            _ => book.begun.last().copied().unwrap_or(0),
        }
    }

    /// Checks that an honest peer was answered, or the reason why not.
    pub(super) fn check_honest(&mut self, peer: usize) {
        let book = &self.peers[peer];
        let outcome = book.outcome;
        if matches!(outcome, Outcome::Done | Outcome::NoListener) {
            return;
        }
        let Some(id) = book.stream else { return };
        let stream = &self.streams[id];
        let after = |at: Option<Instant>| at.is_some_and(|at| at >= stream.since);
        let explained = if !stream.was_established {
            stream.refused.is_some() || stream.place == Place::Queued || self.stopped.is_some()
        } else {
            let lifetime = self.limits.lifetime_ms;
            let end = stream.aborted.or(stream.ended);
            let age = end.map_or(0, |end| end.duration_since(stream.since).as_millis());
            let aged = lifetime != 0 && age + 5 >= u128::from(lifetime) * 9 / 10;
            let killed = match (self.killed, stream.aborted) {
                (Some(killed), Some(aborted)) => aborted >= killed,
                _ => false,
            };
            let owed = book.asked > book.answered;
            let in_order = stream.aborted.is_none() && stream.ended.is_some() && !owed;
            let ended = in_order && (self.limits.evict || self.draining.is_some());
            book.cancelled.is_some() || after(self.jumped) || aged || killed || ended
        };
        if !explained {
            let what = format!(
                "honest peer {peer} ended as {outcome:?} after {} of {} answers, {:?}: {}",
                book.answered,
                book.asked,
                self.plans[peer],
                self.describe(id),
            );
            self.broken("honest peer", what);
        }
    }
}
