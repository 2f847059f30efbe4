//! The sandbox mode of gateways in tests.
//!
//! It is `on`, so that a gateway outside of the sandbox does not start.

use std::path::Path;
use std::sync::OnceLock;

/// The setting, as an environment variable.
pub(crate) const SANDBOX: &str = "RON_GATEWAY_SANDBOX";

/// The value for a gateway that a test starts.
pub(super) fn mode() -> &'static str {
    if kernel_can_sandbox() {
        return "on";
    }
    eprintln!("SKIPPED: this kernel lacks Landlock or seccomp; gateways run with sandbox = try");
    "try"
}

/// Whether the kernel has all of it.
pub(crate) fn kernel_can_sandbox() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() && has_landlock()
    })
}

#[cfg(target_os = "linux")]
fn has_landlock() -> bool {
    use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};

    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.handle_access(AccessFs::ReadFile);
    ruleset.and_then(Ruleset::create).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_landlock() -> bool {
    false
}
