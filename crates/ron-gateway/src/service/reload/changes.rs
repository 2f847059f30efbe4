//! The difference between the running listeners and a new configuration.

use std::sync::Arc;

use ron_transport::config::changed;
use ron_transport::schema::Reload;

use super::RunningListener;
use crate::conflicts;
use crate::listener::ListenerPlan;

/// The listeners that a reload changes, starts and removes.
///
/// A listener that moves to another address is in `added` and in `removed`.
pub(super) struct ListenerChanges {
    pub(super) kept: Vec<(Arc<RunningListener>, ListenerPlan)>,
    pub(super) added: Vec<ListenerPlan>,
    pub(super) removed: Vec<Arc<RunningListener>>,
}

impl ListenerChanges {
    /// Compares by name.
    ///
    /// # Errors
    /// When a change needs a restart: the keys.
    pub(super) fn between(
        running: &[Arc<RunningListener>],
        plans: Vec<ListenerPlan>,
    ) -> Result<Self, String> {
        let are_named = running.iter().any(|one| one.name().is_some());
        if are_named != plans.iter().any(|plan| plan.name.is_some()) {
            let what = "needs a restart: the first or the last of [listeners.NAME]";
            return Err(what.to_owned());
        }
        let mut changes = Self {
            kept: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
        };
        let mut fixed = Vec::new();
        for one in running {
            if !plans.iter().any(|plan| plan.name.as_deref() == one.name()) {
                changes.removed.push(Arc::clone(one));
            }
        }
        for plan in plans {
            let one = running
                .iter()
                .find(|one| plan.name.as_deref() == one.name());
            let is_new_client = one.map_or(true, |one| one.transport.tor_progress().is_none());
            if plan.uses_tor() && is_new_client {
                // The sandbox opens the directories of a Tor client at the start only.
                fixed.push(plan.service_key("forward_to (the first target over Tor)"));
                continue;
            }
            let Some(one) = one else {
                changes.added.push(plan);
                continue;
            };
            let keys = restart_keys(one, &plan);
            if keys.is_empty() || plan.name.is_none() {
                // Without a name, the transport rejects keys that need a restart.
                changes.kept.push((Arc::clone(one), plan));
            } else if moves(one, &plan) {
                changes.removed.push(Arc::clone(one));
                changes.added.push(plan);
            } else {
                fixed.extend(keys);
            }
        }
        if fixed.is_empty() {
            return Ok(changes);
        }
        let advice = if are_named {
            " (or give the listener another address)"
        } else {
            ""
        };
        Err(format!("needs a restart: {}{advice}", fixed.join(", ")))
    }
}

/// Returns the changed keys that an open listener cannot apply.
fn restart_keys(one: &RunningListener, new: &ListenerPlan) -> Vec<String> {
    let changed = changed(&one.plan().config, &new.config).into_iter();
    changed
        .filter(|key| {
            // A service manager has bound the sockets.
            let is_fixed = key.path == "bind_addr" && one.is_inherited;
            key.reload == Reload::Restart || is_fixed
        })
        .map(|key| new.transport_key(key.path))
        .collect()
}

/// Returns whether both listeners can be open at the same time.
fn moves(one: &RunningListener, plan: &ListenerPlan) -> bool {
    let addrs = plan.addrs();
    let open = one.addrs();
    let is_open = |addr| open.iter().any(|open| conflicts::is_shared(addr, open));
    !addrs.is_empty() && addrs != one.plan().addrs() && !addrs.iter().any(is_open)
}
