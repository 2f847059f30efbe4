//! Computes readiness from evidence and time; uses no clock and no network.
//!
//! Arti's own status only triggers a proof, which builds a circuit of each required kind. The
//! status itself proves nothing: Arti reports "ready" before a path exists and through an outage.
//! Readiness depends on traffic that was carried or failed: proofs, dials, streams, and a probe
//! when there is none of these. A client that does not recover is replaced, since Arti waits
//! minutes before it retries a relay.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;
use transport_core::{ReadyReason, ReadyState};

/// Time without traffic after which a ready client is probed.
const PROBE_AFTER: Duration = Duration::from_secs(15);
/// Pause between two probes of an impaired or doubted client.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// Consecutive failed probes that mean an outage. One alone may have used a dead circuit.
const MAX_FAILED_PROBES: u32 = 2;
/// Time without progress after which a client without contact is replaced.
const STALL_LIMIT: Duration = Duration::from_secs(15);
/// The same after contact with a relay.
///
/// It is longer, since a slow directory download reports no progress.
const STALL_LIMIT_WITH_CONTACT: Duration = Duration::from_secs(60);
/// Replacements in a row after which the longer limit always applies.
const MAX_QUICK_REPLACEMENTS: u32 = 20;

/// An observation about the network or the client in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Arti reports its client as usable; needs a proof.
    Usable,
    /// A dial of a new kind was announced; needs a proof.
    Announced,
    /// A dial found no path.
    NoPath,
    /// The client reached a relay.
    Contact,
    /// The bootstrap advanced.
    Progress,
    /// The network carried traffic.
    Carried,
    /// A stream was read; its bytes may have arrived long before.
    Read,
    /// A failure or delay that the network may have caused.
    Doubt,
    /// A probe failed.
    ProbeFailed,
    /// A proof failed because no path exists.
    Disproven,
}

/// The state of one network, over all successive clients.
#[derive(Debug)]
pub(crate) struct Health {
    condition: Condition,
    /// The client has been ready, so its status is no evidence.
    proven: bool,
    /// Arti has reported the client in use as usable.
    usable: bool,
    /// The next probe of a ready client is a proof.
    prove: bool,
    /// The client in use has reached a relay.
    contact: bool,
    /// The last progress of the client in use, or its start.
    last_progress: Instant,
    last_probe: Option<Instant>,
    /// Replacements since the last ready client.
    replaced: u32,
}

#[derive(Debug)]
enum Condition {
    Impaired {
        since: Instant,
        /// The impairment has exceeded `arti.bootstrap_timeout`.
        late: bool,
    },
    Ready {
        /// The last traffic.
        carried: Instant,
        doubted: bool,
        failed_probes: u32,
    },
}

impl Health {
    /// The state at the start of the first client.
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

    /// Records evidence.
    pub(crate) fn record(&mut self, evidence: Evidence, now: Instant) {
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

    /// Returns true once per impairment, when it exceeds the timeout.
    pub(crate) fn late(&mut self, timeout: Duration, now: Instant) -> bool {
        match &mut self.condition {
            Condition::Impaired { since, late } if !*late && now >= *since + timeout => {
                *late = true;
                true
            }
            _ => false,
        }
    }

    /// Records the start or the end of a probe.
    pub(crate) fn probing(&mut self, now: Instant) {
        self.last_probe = Some(now);
    }

    /// Returns whether the next probe is a proof.
    pub(crate) const fn wants_proof(&self) -> bool {
        self.prove || matches!(self.condition, Condition::Impaired { .. })
    }

    /// The due time of the next probe; `None` before the bootstrap.
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

    /// The due time of a replacement; `None` while ready.
    pub(crate) fn replace_at(&self) -> Option<Instant> {
        let waiting_for_relays = self.proven || !self.contact;
        match self.condition {
            Condition::Ready { .. } => None,
            Condition::Impaired { .. }
                if waiting_for_relays && self.replaced < MAX_QUICK_REPLACEMENTS =>
            {
                Some(self.last_progress + STALL_LIMIT)
            }
            Condition::Impaired { .. } => Some(self.last_progress + STALL_LIMIT_WITH_CONTACT),
        }
    }

    /// Records that another client was started.
    pub(crate) fn replaced(&mut self, now: Instant) {
        self.replaced = self.replaced.saturating_add(1);
        self.proven = false;
        self.usable = false;
        self.prove = false;
        self.contact = false;
        self.last_progress = now;
        self.last_probe = None;
    }

    /// The next due time of a timeout, probe or replacement.
    pub(crate) fn next_due(&self, timeout: Duration) -> Option<Instant> {
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
