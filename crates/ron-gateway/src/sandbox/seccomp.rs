//! The system call rules, by seccomp.
//!
//! Two filters are installed, and the stricter verdict applies.
//!
//! The allow list contains the calls of the service, some with permitted arguments; every other
//! call fails with ENOSYS, so that a C library falls back to an older call. The deadly list kills
//! the process for calls that no part of the service makes and an intruder would.

mod calls;
#[cfg(test)]
mod tests;

use seccompiler::{apply_filter_all_threads, BpfProgram, Error, SeccompAction, SeccompFilter};

use calls::CallRules;

/// Installs both filters permanently in every thread.
pub(super) fn apply_to_all_threads() -> Result<(), String> {
    let said = |error: Error| error.to_string();
    let [deadly, listed] = programs().map_err(said)?;
    // In this order: the allow list forbids installing a further filter.
    apply_filter_all_threads(&deadly).map_err(said)?;
    apply_filter_all_threads(&listed).map_err(said)
}

fn programs() -> Result<[BpfProgram; 2], Error> {
    let not_listed = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let deadly = compile(
        calls::deadly(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )?;
    let listed = compile(calls::listed()?, not_listed, SeccompAction::Allow)?;
    Ok([deadly, listed])
}

fn compile(
    rules: CallRules,
    other: SeccompAction,
    found: SeccompAction,
) -> Result<BpfProgram, Error> {
    let arch = std::env::consts::ARCH.try_into().map_err(Error::Backend)?;
    let filter = SeccompFilter::new(rules, other, found, arch).map_err(Error::Backend)?;
    filter.try_into().map_err(Error::Backend)
}
