//! The harness that starts the built gateway.
//!
//! It has the gateway's settings, log, admin endpoint and metrics, with certificates, clients and
//! network namespaces. All functions block.
//!
//! [`Start`] describes a gateway and [`Gateway`] is a running one; [`Lab`] adds a private directory
//! with certificates. The gateway's own tests, the drills, the soak and the other programs in
//! `testing/` use it.

// Every error is a sentence that names the failure.
#![allow(clippy::missing_errors_doc)]
// Threads wait by the clock, and a test may fail.
#![allow(clippy::disallowed_methods)]
// This crate is not published.
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admin;
pub mod client;
mod gateway;
pub mod netns;
mod outcome;
mod output;
mod pki;
pub mod process;
mod scrape;
mod start;
pub mod trend;

use std::fs;
use std::path::{Path, PathBuf};

pub use admin::Admin;
pub use gateway::{field, started, version, Gateway};
pub use outcome::{ensure, Outcome, Stop};
pub use pki::Pki;
pub use scrape::Scrape;
pub use start::{command_without_settings, Refusal, Start};

/// Prefix of temporary directories and network namespaces, before the process id.
pub const PREFIX: &str = "ron-lab-";

/// A private directory with certificates for one run, removed on drop.
pub struct Lab {
    gateway: PathBuf,
    previous: Option<PathBuf>,
    /// The certificates in that directory.
    pub pki: Pki,
    dir: tempfile::TempDir,
}

impl Lab {
    /// Sets up a lab for this gateway and its previous build.
    pub fn new(gateway: &Path, previous: Option<&Path>) -> Result<Self, String> {
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir();
        let dir = dir.map_err(|e| format!("no temporary directory: {e}"))?;
        Ok(Self {
            gateway: gateway.to_owned(),
            previous: previous.map(Path::to_owned),
            pki: Pki::new(dir.path())?,
            dir,
        })
    }

    /// Returns the settings of a gateway on a free port.
    pub fn gateway(&self) -> Start {
        Start::new(&self.gateway)
    }

    /// Returns the settings of a gateway with TLS and the certificate `server`.
    pub fn tls(&self) -> Start {
        let (cert, key) = (self.pki.cert("server"), self.pki.key("server"));
        self.gateway().tls(&cert, &key)
    }

    /// Returns the settings of the previous build, if there is one.
    pub fn previous(&self) -> Option<Start> {
        self.previous.as_deref().map(Start::new)
    }

    /// Returns the arguments that make a dialer trust the authority.
    pub fn trust(&self) -> Vec<String> {
        let args = ["--transport.tls-client.trust-store", "path"];
        let bundle = [
            "--transport.tls-client.ca-bundle-path".into(),
            self.pki.cert("ca"),
        ];
        args.map(str::to_owned).into_iter().chain(bundle).collect()
    }

    /// Returns the path of a file in the private directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns the path of a file as text.
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Replaces a file atomically and returns its path as text.
    pub fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let (path, next) = (self.path(name), self.path(&format!("{name}.next")));
        let written = fs::write(&next, text).and_then(|()| fs::rename(next, path));
        written.map_err(|e| format!("cannot write {name}: {e}"))?;
        Ok(self.file(name))
    }
}

/// Removes directories and namespaces of killed runs.
pub fn sweep() {
    netns::sweep();
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if is_stale(&entry.file_name().to_string_lossy()) {
            // Another run may remove it first.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Returns whether the name belongs to a run whose process has ended.
pub fn is_stale(name: &str) -> bool {
    let pid = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    pid.and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ended_runs_are_stale() {
        assert!(!is_stale(&format!("{PREFIX}{}-a", std::process::id())));
        // Above the highest process id of Linux.
        assert!(is_stale(&format!("{PREFIX}4194305-a")));
        assert!(!is_stale("4194305"));
        assert!(!is_stale(&format!("{PREFIX}x-a")));
    }
}
