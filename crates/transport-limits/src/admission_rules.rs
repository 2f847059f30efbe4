//! Address rules and the admission hook, the first checks of a connection.

use std::sync::{Arc, PoisonError, RwLock};

use transport_core::PeerAddr;

use crate::cidr::IpPrefixes;
use crate::settings::Limits;

/// The result of an admission hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// The other limits decide about the connection.
    Allow,
    /// The connection is dropped and counted as `denied`.
    Refuse,
}

type AdmitHook = Arc<dyn Fn(PeerAddr) -> Decision + Send + Sync>;

/// The rules in force, read once for each accepted connection.
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

    pub(crate) fn set_hook(&self, hook: AdmitHook) {
        let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rules.hook = Some(hook);
    }

    /// Checks a peer's address; returns the hook to call.
    ///
    /// The caller runs the hook without the lock.
    ///
    /// The hook may take long, and may itself replace the hook.
    pub(crate) fn check(&self, peer: PeerAddr) -> Result<Option<AdmitHook>, Denied> {
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
