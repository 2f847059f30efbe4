//! The report of the active sandbox parts.

use serde_json::{json, Value};

use crate::logging::TARGET;
use crate::settings::SandboxMode;

/// Reason of a step that was not tried yet.
const PENDING: &str = "not yet";

/// The active parts, and the reason for each inactive one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SandboxReport {
    pub(super) mode: SandboxMode,
    /// The Landlock ABI of the kernel.
    pub(super) landlock: Result<u32, String>,
    /// Whether every thread has the filter.
    pub(super) seccomp: Result<(), String>,
}

impl SandboxReport {
    /// Returns a report without active parts.
    pub(crate) fn new(mode: SandboxMode) -> Self {
        let why = match mode {
            SandboxMode::Off => "sandbox is off",
            SandboxMode::Try | SandboxMode::On => PENDING,
        };
        Self {
            mode,
            landlock: Err(why.to_owned()),
            seccomp: Err(why.to_owned()),
        }
    }

    /// Returns the failed parts with their reasons.
    pub(super) fn missing(&self) -> Option<String> {
        let failed = |error: &&String| error.as_str() != PENDING;
        let landlock = self.landlock.as_ref().err().filter(failed);
        let seccomp = self.seccomp.as_ref().err().filter(failed);
        let parts = [("Landlock", landlock), ("seccomp", seccomp)];
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|(name, error)| Some(format!("{name}: {}", error?)))
            .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Returns `{"mode":"try","landlock_abi":7,"seccomp":true}`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "mode": self.mode.as_str(),
            "landlock_abi": self.landlock.as_ref().ok(),
            "seccomp": self.seccomp.is_ok(),
        })
    }

    /// Logs one line.
    pub(super) fn log(&self) {
        let landlock = self.landlock.as_ref().map_or(0, |abi| *abi);
        let seccomp = if self.seccomp.is_ok() { "on" } else { "off" };
        let mode = self.mode.as_str();
        if let Some(missing) = self.missing().filter(|_| self.mode != SandboxMode::Off) {
            tracing::warn!(
                target: TARGET,
                event = "sandbox",
                mode,
                landlock_abi = landlock,
                seccomp,
                error = missing,
                "parts of the sandbox are missing",
            );
            return;
        }
        tracing::info!(
            target: TARGET,
            event = "sandbox",
            mode,
            landlock_abi = landlock,
            seccomp,
            partial = self.partial(),
        );
    }

    /// Returns the restrictions that an older kernel's Landlock lacks.
    fn partial(&self) -> Option<&'static str> {
        match self.landlock {
            Ok(1 | 2) => Some("truncation, device ioctls and signals are not restricted"),
            Ok(3 | 4) => Some("device ioctls and signals are not restricted"),
            Ok(5) => Some("signals are not restricted"),
            _ => None,
        }
    }
}
