//! Readiness as a function of evidence and time: no clock, no network, no Tor in here.
//!
//! Arti's own status starts a proof, a circuit of each kind that is needed, and proves nothing by
//! itself: it comes before a path exists, and stays "ready" through an outage. Only what was carried
//! or failed counts: proofs, dials, streams, and a probe where none of them says anything. A client
//! that does not come back is replaced by a fresh one, since Arti waits minutes before it tries a
//! relay again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;
use transport_core::{ReadyReason, ReadyState};

/// Silence after which a ready client is probed.
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// Pause between two probes of a client that is not ready, or that is doubted.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// Failed probes in a row that make an outage. The first may have met a circuit that just died.
const MAX_FAILED_PROBES: u32 = 2;
/// How long a client may be without progress before it is replaced, while it has reached no relay.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same, once it has: a slow directory download is progress that nobody sees.
const PATIENCE_WITH_CONTACT: Duration = Duration::from_secs(60);
/// Replacements after which the long patience holds for all: it is a long outage.
const SOON: u32 = 20;

/// Something that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Arti says that its client can carry traffic, which is to be proven.
    Usable,
    /// A dial of a new kind was announced, which is to be proven.
    Announced,
    /// A dial found no path.
    NoPath,
    /// The client reached a relay.
    Contact,
    /// The bootstrap went on.
    Progress,
    /// Something crossed the network.
    Carried,
    /// A stream was read from; it may have arrived long before.
    Read,
    /// Something failed or took long, and the network may be why.
    Doubt,
    /// A probe failed.
    ProbeFailed,
    /// A proof failed since no path exists.
    Disproven,
}

/// What is known of one network, through however many clients.
#[derive(Debug)]
pub(crate) struct Health {
    condition: Condition,
    /// The client in use has been ready, so that its own status proves nothing any more.
    proven: bool,
    /// Arti says that the client in use can carry traffic.
    usable: bool,
    /// The next probe of a ready client is a proof.
    prove: bool,
    contact: bool,
    /// Of the client in use, or its start.
    last_progress: Instant,
    last_probe: Option<Instant>,
    replaced: u32,
}

#[derive(Debug)]
enum Condition {
    Impaired {
        since: Instant,
        late: bool,
    },
    Ready {
        carried: Instant,
        doubted: bool,
        failed_probes: u32,
    },
}

impl Health {
    /// A client was started.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            condition: Condition::Impaired {
                since: now,
                late: false,
            },
            proven: false,
            usable: false,
            prove: false,
            contact: false,
            last_progress: now,
            last_probe: None,
            replaced: 0,
        }
    }

    pub(crate) const fn state(&self) -> ReadyState {
        match self.condition {
            Condition::Ready { .. } => ReadyState::Ready,
            Condition::Impaired { late: false, .. } => ReadyState::Degraded {
                reason: ReadyReason::ArtiBootstrap,
            },
            Condition::Impaired { late: true, .. } => ReadyState::NotReady {
                reason: ReadyReason::ArtiBootstrapTimeout,
            },
        }
    }

    /// Takes a piece of evidence in.
    pub(crate) fn see(&mut self, evidence: Evidence, now: Instant) {
        match evidence {
            Evidence::Usable => {
                self.usable = true;
                self.last_progress = now;
            }
            Evidence::Announced | Evidence::Disproven => self.become_impaired(now),
            Evidence::NoPath => {
                self.prove = true;
                self.doubt();
            }
            Evidence::Carried => self.become_ready(now),
            Evidence::Read => {
                if let Condition::Ready {
                    carried,
                    doubted: false,
                    ..
                } = &mut self.condition
                {
                    *carried = now;
                }
            }
            Evidence::Contact => {
                if !self.contact {
                    self.contact = true;
                    self.last_progress = now;
                }
            }
            Evidence::Progress => self.last_progress = now,
            Evidence::Doubt => self.doubt(),
            Evidence::ProbeFailed => self.probe_failed(now),
        }
    }

    fn doubt(&mut self) {
        if let Condition::Ready { doubted, .. } = &mut self.condition {
            *doubted = true;
        }
    }

    fn become_ready(&mut self, now: Instant) {
        self.proven = true;
        self.prove = false;
        self.replaced = 0;
        self.condition = Condition::Ready {
            carried: now,
            doubted: false,
            failed_probes: 0,
        };
    }

    fn become_impaired(&mut self, now: Instant) {
        if matches!(self.condition, Condition::Ready { .. }) {
            self.last_progress = now;
            self.condition = Condition::Impaired {
                since: now,
                late: false,
            };
        }
    }

    fn probe_failed(&mut self, now: Instant) {
        if let Condition::Ready {
            doubted,
            failed_probes,
            ..
        } = &mut self.condition
        {
            *doubted = true;
            *failed_probes += 1;
            if *failed_probes >= MAX_FAILED_PROBES {
                self.become_impaired(now);
            }
        }
    }

    /// Lets time pass. True once for each outage: it has become longer than this.
    pub(crate) fn late(&mut self, timeout: Duration, now: Instant) -> bool {
        match &mut self.condition {
            Condition::Impaired { since, late } if !*late && now >= *since + timeout => {
                *late = true;
                true
            }
            _ => false,
        }
    }

    /// A probe begins.
    pub(crate) fn probing(&mut self, now: Instant) {
        self.last_probe = Some(now);
    }

    /// Returns whether the next probe is a proof: a circuit of each kind that is needed.
    pub(crate) const fn wants_proof(&self) -> bool {
        self.prove || matches!(self.condition, Condition::Impaired { .. })
    }

    /// When the next probe is due; never for a client that has yet to bootstrap.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        let after_last = self.last_probe.map(|last| last + PROBE_PAUSE);
        match self.condition {
            Condition::Ready {
                carried, doubted, ..
            } => {
                let soonest = if doubted {
                    carried
                } else {
                    carried + PROBE_AFTER
                };
                Some(after_last.map_or(soonest, |last| last.max(soonest)))
            }
            Condition::Impaired { since, .. } if self.proven || self.usable => {
                Some(after_last.unwrap_or(since))
            }
            Condition::Impaired { .. } => None,
        }
    }

    /// When the client is to be replaced; never while it is ready.
    pub(crate) fn replace_at(&self) -> Option<Instant> {
        let waiting_for_relays = self.proven || !self.contact;
        match self.condition {
            Condition::Ready { .. } => None,
            Condition::Impaired { .. } if waiting_for_relays && self.replaced < SOON => {
                Some(self.last_progress + PATIENCE)
            }
            Condition::Impaired { .. } => Some(self.last_progress + PATIENCE_WITH_CONTACT),
        }
    }

    /// Another client was started.
    pub(crate) fn replaced(&mut self, now: Instant) {
        self.replaced = self.replaced.saturating_add(1);
        self.proven = false;
        self.usable = false;
        self.prove = false;
        self.contact = false;
        self.last_progress = now;
        self.last_probe = None;
    }

    /// When something is due next.
    pub(crate) fn next(&self, timeout: Duration) -> Option<Instant> {
        let late = match self.condition {
            Condition::Impaired { since, late: false } => Some(since + timeout),
            _ => None,
        };
        [late, self.probe_at(), self.replace_at()]
            .into_iter()
            .flatten()
            .min()
    }
}
