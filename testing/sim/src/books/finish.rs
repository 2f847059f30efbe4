//! The oracles at the end of a run: sums, leaks, readiness.

use ron_transport::{Limiter, ReadyReason, ReadyState};

use super::Books;

impl Books {
    /// Returns whether every peer has ended its script.
    pub(crate) fn all_ended(&self) -> bool {
        let running = |peer: &super::PeerBook| peer.outcome == super::Outcome::Running;
        !self.peers.iter().any(running)
    }

    /// Returns the established connections that have not begun to end.
    pub(crate) fn streams_in_use(&self) -> usize {
        let open = self.open.iter().filter(|id| {
            let stream = &self.streams[**id];
            stream.place == super::Place::Established
                && stream.ended.is_none()
                && stream.aborted.is_none()
                && !stream.read_end
                && !self.has_lost_its_pair(**id)
        });
        open.count()
    }

    /// Returns whether the other leg of a relay was aborted.
    ///
    /// The transport has closed both; this leg delivers the bytes that were read before.
    fn has_lost_its_pair(&self, id: usize) -> bool {
        let peer = &self.peers[self.streams[id].peer];
        let legs = [peer.stream, peer.dialed].into_iter().flatten();
        let mut others = legs.filter(|leg| *leg != id);
        others.any(|leg| self.streams[leg].aborted.is_some())
    }

    /// Checks what a transport leaves behind after its shutdown.
    pub(crate) fn check_end(&mut self, limiter: &Limiter, alive_tasks: usize) {
        self.judge();
        let left = [
            ("places", limiter.admitted()),
            ("registered connections", limiter.open() as u64),
            ("pending handshakes", limiter.pending() as u64),
            ("lingering streams", limiter.lingering() as u64),
            ("tracked tasks", limiter.tasks().running() as u64),
            (
                "peers with a connection",
                limiter.peers_with_at_least(1) as u64,
            ),
            ("charged bytes", limiter.memory_held()),
            ("held bytes", self.memory_held.unsigned_abs()),
            ("open streams", self.open.len() as u64),
            ("tasks of the runtime", alive_tasks as u64),
            ("connections in flight", self.inflight.unsigned_abs()),
        ];
        for (what, left) in left {
            if left != 0 {
                self.broken("leaks", format!("{left} {what} are left"));
            }
        }
        for peer in 0..self.peers.len() {
            if self.peers[peer].outcome == super::Outcome::Running {
                let plan = &self.plans[peer];
                let what = format!("peer {peer} still waits: {plan:?}");
                self.broken("leaks", what);
            }
        }
        self.check_sums();
        self.check_readiness();
        for peer in 0..self.plans.len() {
            if self.plans[peer].is_honest(&self.limits) {
                self.check_honest(peer);
            }
        }
    }

    fn check_sums(&mut self) {
        let closes = |backend| self.closes.get(backend).copied().unwrap_or(0);
        let bytes = |backend, inbound| {
            let found = self.bytes.get(&(backend, inbound));
            found.copied().unwrap_or(0)
        };
        let dialed = self.streams.iter().filter(|stream| !stream.accepted);
        let dialed = dialed.count() as u64;
        let refused = self.streams.iter().filter(|s| s.refused.is_some());
        let refused = refused.count() as u64;
        let ends = closes("sim") + refused + self.paired_rejects;
        let [up, sim] = self.own_bytes;
        let sums = [
            ("accepts", self.observed_accepts, self.accepted),
            ("closes and rejects of accepts", ends, self.accepted),
            ("dials", self.observed_dials[1], dialed),
            ("closes of dials", closes("up"), dialed),
            ("bytes from peers", bytes("sim", true), sim[1]),
            ("bytes to peers", bytes("sim", false), sim[0]),
            ("bytes from upstreams", bytes("up", true), up[1]),
            ("bytes to upstreams", bytes("up", false), up[0]),
        ];
        for (what, found, own) in sums {
            if found != own {
                let what = format!("{what}: the transport counts {found}, the script {own}");
                self.broken("sums", what);
            }
        }
    }

    /// Checks each transition: starting, then ready or degraded, then draining, then stopped.
    fn check_readiness(&mut self) {
        let states = self.readiness.clone();
        let rank = |state: &ReadyState| match state {
            ReadyState::NotReady { reason } => match reason {
                ReadyReason::Starting => 0,
                ReadyReason::Draining => 2,
                ReadyReason::Stopped => 3,
                _ => u8::MAX,
            },
            ReadyState::Degraded {
                reason: ReadyReason::Overload,
            }
            | ReadyState::Ready => 1,
            ReadyState::Degraded { .. } => u8::MAX,
        };
        for pair in states.windows(2) {
            let (from, to) = (rank(&pair[0]), rank(&pair[1]));
            let moves = pair[0] != pair[1] && (to == from + 1 || to == 1 && from == 1);
            if !moves || to == u8::MAX {
                let what = format!("{} is followed by {}", pair[0], pair[1]);
                self.broken("readiness", what);
            }
        }
        if rank(states.last().unwrap_or(&ReadyState::Ready)) != 3 {
            self.broken(
                "readiness",
                format!("the last state is {:?}", states.last()),
            );
        }
    }
}
