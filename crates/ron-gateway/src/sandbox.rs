//! The sandbox of the process.
//!
//! Landlock restricts the files that the process can reach, and seccomp its system calls, in every
//! thread.
//!
//! Landlock restricts one thread and the threads that it starts. It is therefore applied as soon as
//! the configuration is loaded, when two threads exist: the main thread and the loading thread.
//! Each restricts itself before the runtime starts a third. The system call filter is installed in
//! all threads at once, after the service listens.

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(not(target_os = "linux"))]
#[path = "sandbox/no_landlock.rs"]
mod landlock;
mod links;
mod paths;
mod report;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "sandbox/no_seccomp.rs"]
mod seccomp;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod seccomp;
mod system_paths;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use landlock::FileRules;
use paths::AllowedPaths;

use crate::effective::EffectiveConfig;
use crate::exit::ExitFailure;
use crate::logging::TARGET;
use crate::settings::SandboxMode;

pub(crate) use report::SandboxReport;

/// Number of threads that exist when the files are restricted.
const THREADS: usize = 2;

/// The sandbox of this process. Clones share it.
#[derive(Clone)]
pub(crate) struct Sandbox(Arc<SandboxState>);

struct SandboxState {
    mode: SandboxMode,
    allowed: AllowedPaths,
    /// The ruleset that each thread applies, or the reason for its absence.
    files: Result<FileRules, String>,
    report: Mutex<SandboxReport>,
}

impl Sandbox {
    /// Prepares the rules for a configuration, and applies none.
    ///
    /// Blocks on the file system.
    pub(crate) fn new(effective: &EffectiveConfig, config_files: &[PathBuf]) -> Self {
        let mode = effective.gateway.settings().process.sandbox;
        let (allowed, files) = match mode {
            SandboxMode::Off => (AllowedPaths::default(), Err("sandbox is off".to_owned())),
            SandboxMode::Try | SandboxMode::On => {
                let allowed = AllowedPaths::new(effective, config_files);
                let files = FileRules::new(allowed.grants());
                (allowed, files)
            }
        };
        Self(Arc::new(SandboxState {
            mode,
            allowed,
            files,
            report: Mutex::new(SandboxReport::new(mode)),
        }))
    }

    /// Restricts the files of this thread and its later children.
    pub(crate) fn restrict_thread(&self) -> Result<(), ExitFailure> {
        if self.0.mode == SandboxMode::Off {
            return Ok(());
        }
        let files = self.0.files.as_ref().map_err(Clone::clone);
        let restricted = files.and_then(FileRules::restrict_thread);
        self.note(|report| report.landlock = restricted)
    }

    /// Restricts the last of the existing threads.
    ///
    /// Fails if further threads exist.
    pub(crate) fn restrict_last_thread(&self) -> Result<(), ExitFailure> {
        self.restrict_thread()?;
        match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
            Ok(threads) if threads > THREADS && self.0.mode != SandboxMode::Off => {
                let others = threads - THREADS;
                let why = format!("{others} unexpected threads exist before the start");
                self.note(|report| report.landlock = Err(why))
            }
            _ => Ok(()),
        }
    }

    /// Filters the system calls of all threads and logs the result.
    pub(crate) fn filter_calls(&self) -> Result<(), ExitFailure> {
        if self.0.mode != SandboxMode::Off {
            let filtered = seccomp::apply_to_all_threads();
            self.note(|report| report.seccomp = filtered)?;
        }
        self.report().log();
        self.warn_of_fixed();
        Ok(())
    }

    /// Warns of files whose directory the sandbox does not allow.
    fn warn_of_fixed(&self) {
        let keys = self.0.allowed.fixed();
        if !keys.is_empty() && self.report().landlock.is_ok() {
            tracing::warn!(
                target: TARGET,
                event = "sandbox",
                keys = %keys.join(","),
                "these files are in a directory that many programs share: a file renamed over one \
                 of them cannot be read until a restart, and so revokes no certificate before; \
                 move them to a directory of their own",
            );
        }
    }

    /// Returns the active parts.
    pub(crate) fn report(&self) -> SandboxReport {
        let report = self.0.report.lock();
        report.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that the sandbox allows the configuration files.
    pub(crate) fn check_files(&self, config_files: &[PathBuf]) -> Result<(), String> {
        match self.report().landlock {
            Ok(_) => self.0.allowed.check_files(config_files),
            Err(_) => Ok(()),
        }
    }

    /// Checks that the sandbox allows the files of a configuration.
    pub(crate) fn check(&self, effective: &EffectiveConfig) -> Result<(), String> {
        match self.report().landlock {
            Ok(_) => self.0.allowed.check(effective),
            Err(_) => Ok(()),
        }
    }

    /// Warns once of each file that was replaced and is now inaccessible.
    ///
    /// Blocks on the file system.
    pub(crate) fn warn_of_replaced(&self) {
        if self.report().landlock.is_err() {
            return;
        }
        for path in self.0.allowed.newly_replaced() {
            tracing::warn!(
                target: TARGET,
                event = "sandbox",
                path = %path.display(),
                "another file was renamed over this path, and the sandbox allows the earlier file \
                 only: restart the gateway, or write the file in place",
            );
        }
    }

    /// Records a step; with `on`, a failed step is an error.
    fn note(&self, step: impl FnOnce(&mut SandboxReport)) -> Result<(), ExitFailure> {
        let mut report = self.0.report.lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut report);
        match report.missing() {
            Some(missing) if self.0.mode == SandboxMode::On => Err(ExitFailure::Runtime(format!(
                "sandbox is on, and this system does not support it: {missing}; with sandbox = try \
                 the gateway starts with the supported parts"
            ))),
            _ => Ok(()),
        }
    }
}
