//! The rules for addresses and the embedder's admission hook, asked before
//! any other work is done for a connection.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, PoisonError, RwLock};

use transport_core::{Backend, PeerAddr};

use crate::cidr::IpPrefixes;
use crate::limiter::Limiter;
use crate::settings::Limits;

/// The answer of an admission hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// The peer goes on to the other limits.
    Allow,
    /// The connection is dropped and counted as `denied`.
    Refuse,
}

type AdmitHook = Arc<dyn Fn(PeerAddr) -> Decision + Send + Sync>;

/// The rules in force. Read once for each accepted connection.
#[derive(Default)]
pub(crate) struct AdmissionRules(RwLock<RuleSet>);

#[derive(Clone, Default)]
struct RuleSet {
    allow: Arc<IpPrefixes>,
    deny: Arc<IpPrefixes>,
    hook: Option<AdmitHook>,
}

impl std::fmt::Debug for AdmissionRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdmissionRules").finish_non_exhaustive()
    }
}

impl AdmissionRules {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rules = Self::default();
        rules.apply(limits);
        rules
    }

    pub(crate) fn apply(&self, limits: &Limits) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rules.allow = Arc::clone(limits.shared_allowed_peers());
        rules.deny = Arc::clone(limits.shared_denied_peers());
    }

    fn set_hook(&self, hook: AdmitHook) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rules.hook = Some(hook);
    }

    /// Judges a peer's address; returns the hook that has yet to be asked. The hook runs without
    /// the lock: it may take its time, and may itself replace the hook.
    fn judge(&self, peer: PeerAddr) -> Result<Option<AdmitHook>, Denied> {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let PeerAddr::Ip(addr) = peer {
            let ip = addr.ip();
            let allowed = rules.allow.is_empty() || rules.allow.contains(ip);
            if !allowed || rules.deny.contains(ip) {
                return Err(Denied);
            }
        }
        Ok(rules.hook.clone())
    }
}

/// The connection is refused as `denied`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denied;

impl Limiter {
    /// Sets the admission hook: it is asked about every accepted connection after the rules for
    /// addresses and before any other limit. It replaces the one before.
    ///
    /// The accept loop waits for it, so it must not block. A hook that panics refuses the peer.
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
        self.admission().rules().set_hook(Arc::new(hook));
    }

    /// Asks the rules for addresses, then the hook.
    pub(crate) fn check_rules(&self, backend: Backend, peer: PeerAddr) -> Result<(), Denied> {
        let Some(hook) = self.admission().rules().judge(peer)? else {
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(|| hook(peer))) {
            Ok(Decision::Allow) => Ok(()),
            Ok(Decision::Refuse) => Err(Denied),
            Err(_) => {
                self.events().hook_panicked(self.now(), backend);
                Err(Denied)
            }
        }
    }
}
