//! Decides about one accepted connection, in the order of `Guard::accept`.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use transport_core::{Backend, PeerAddr, Queue, Reason};

use crate::admission_rules::{Decision, Denied};
use crate::limiter::Limiter;
use crate::permit::Permit;

impl Limiter {
    /// Sets the admission hook; it replaces the previous one.
    ///
    /// The hook decides about every accepted connection, after the address rules and before any
    /// other limit. It runs in the accept loop, so it must not block. A hook that panics refuses
    /// the peer. Behind a hop it decides about the announced peer, once that is known.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use transport_core::{NoObserver, PeerAddr};
    /// use transport_limits::{Decision, Limiter, Limits};
    ///
    /// let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver))?;
    /// limiter.set_admit(|peer| match peer {
    ///     PeerAddr::Ip(addr) if addr.ip().is_loopback() => Decision::Allow,
    ///     _ => Decision::Refuse,
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_admit<F>(&self, hook: F)
    where
        F: Fn(PeerAddr) -> Decision + Send + Sync + 'static,
    {
        self.core().rules().set_hook(Arc::new(hook));
    }

    /// Starts or stops refusing every newly accepted connection as `overload`.
    ///
    /// Open connections and dials are not affected.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.core().set_overloaded(overloaded);
    }

    /// Returns whether new connections are refused as `overload`.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.core().is_overloaded()
    }

    /// Checks the address rules, then the hook.
    pub(crate) fn check_rules(&self, backend: Backend, peer: PeerAddr) -> Result<(), Denied> {
        let Some(hook) = self.core().rules().check(peer)? else {
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(|| hook(peer))) {
            Ok(Decision::Allow) => Ok(()),
            Ok(Decision::Refuse) => Err(Denied),
            Err(_) => {
                let core = self.core();
                core.events().hook_panicked(core.now(), backend);
                Err(Denied)
            }
        }
    }

    /// Returns why no connection is admitted now, if none is.
    pub(crate) fn is_open(&self) -> Result<(), Reason> {
        let core = self.core();
        if core.refuses() {
            return Err(Reason::Draining);
        }
        if core.is_overloaded() {
            return Err(Reason::Overload);
        }
        Ok(())
    }

    /// Takes every place that an accepted connection needs.
    pub(crate) fn admit(
        &self,
        backend: Backend,
        peer: PeerAddr,
        now: u64,
    ) -> Result<Permit, Reason> {
        self.is_open()?;
        let core = self.core();
        let admission = core.admission();
        let key = admission.peer_key(peer);
        let entered = match admission.enter(key, now) {
            Err(Reason::ConnLimit) if admission.evicts() => self.enter_by_eviction(key, now),
            entered => entered,
        };
        let peer = entered.inspect_err(|reason| {
            if *reason == Reason::HandshakeLimit {
                core.observer().queue_dropped(Queue::PendingHandshakes);
            }
        })?;
        Ok(Permit::accepted(core, backend, peer))
    }
}
