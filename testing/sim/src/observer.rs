//! The transport's events, into the books.

use std::sync::Arc;

use ron_transport::{Backend, CloseReason, Direction, Observer, ReadyState, Reason};

use crate::world::World;

/// Writes the transport's events into the books.
#[derive(Debug)]
pub(crate) struct BookKeeper(pub(crate) Arc<World>);

impl Observer for BookKeeper {
    fn dialed(&self, _: Backend, ok: bool) {
        let mut books = self.0.books();
        books.trace("dialed", u64::from(ok), 0);
        books.observed_dials[usize::from(ok)] += 1;
    }

    fn accepted(&self, _: Backend) {
        self.0.books().observed_accepts += 1;
    }

    fn inflight(&self, backend: Backend, delta: i64) {
        let mut books = self.0.books();
        books.inflight += delta;
        if delta > 0 && backend.as_str() == "sim" {
            // The connection that was accepted last is admitted.
            books.judge();
        }
    }

    fn closed(&self, backend: Backend, reason: CloseReason) {
        self.0.books().close_seen(backend.as_str(), reason);
    }

    fn bytes(&self, backend: Backend, direction: Direction, bytes: u64) {
        let mut books = self.0.books();
        let inbound = direction == Direction::In;
        *books.bytes.entry((backend.as_str(), inbound)).or_default() += bytes;
    }

    fn rejected(&self, reason: Reason) {
        self.0.books().reject_seen(reason);
    }

    fn memory_held(&self, delta: i64) {
        self.0.books().memory_held += delta;
    }

    fn readiness(&self, state: ReadyState) {
        let mut books = self.0.books();
        books.trace("ready", u64::from(state.level()), 0);
        books.readiness.push(state);
    }

    fn reloaded(&self, ok: bool) {
        self.0.books().reloads[usize::from(ok)] += 1;
    }
}
