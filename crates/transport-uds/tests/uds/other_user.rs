//! Runs code as another user, in a thread.
//!
//! Linux has credentials per thread.

use std::io::Write;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    set_capabilities, set_keep_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid, CapabilitySet, CapabilitySets,
};

use crate::place::our_uid;

/// A uid other than ours; it needs no account.
pub(crate) const OTHER: u32 = 1001;

/// Returns whether this process can become another user.
///
/// Logs a skipped test otherwise.
pub(crate) fn can_be(what: &str) -> bool {
    let root = our_uid() == 0;
    if !root {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED, because it needs root: {what}").unwrap();
    }
    root
}

/// Bypasses file modes with `CAP_DAC_OVERRIDE`.
pub(crate) const PAST_MODES: CapabilitySet = CapabilitySet::DAC_OVERRIDE;
/// No capability.
pub(crate) const PLAIN: CapabilitySet = CapabilitySet::empty();

/// Runs `work` as [`OTHER`] with only these capabilities.
pub(crate) async fn run<T, F>(capabilities: CapabilitySet, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let thread = std::thread::spawn(move || {
        become_other(capabilities);
        work()
    });
    let joined = tokio::task::spawn_blocking(|| thread.join());
    joined.await.unwrap().unwrap()
}

fn become_other(capabilities: CapabilitySet) {
    let (uid, gid) = (Uid::from_raw(OTHER), Gid::from_raw(OTHER));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_keep_capabilities(true).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).unwrap();
}
