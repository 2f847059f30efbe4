//! What a harness of the built gateway is given: the program and its start, a private directory,
//! certificates, clients, what `/metrics` says. All of it blocks.

// An error is a sentence about what is not as it should be.
#![allow(clippy::missing_errors_doc)]
// Threads wait by the clock, and a test may fail.
#![allow(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod client;
mod gateway;
pub mod netns;
mod outcome;
pub mod process;
#[cfg(doctest)]
mod readme;
mod scrape;
mod start;
pub mod trend;

use std::fs;
use std::path::{Path, PathBuf};

pub use gateway::{version, Admin, Gateway};
pub use outcome::{ensure, Outcome, Stop};
pub use scrape::Scrape;
pub use start::{Refusal, Start};

use transport_testkit::pki::Pki;

/// What temporary directories and network namespaces are called, before the process id.
pub const PREFIX: &str = "ron-lab-";

/// A place for one run, which goes with it.
pub struct Lab {
    gateway: PathBuf,
    previous: Option<PathBuf>,
    /// The certificates, in that directory.
    pub pki: Pki,
    dir: tempfile::TempDir,
}

impl Lab {
    /// Makes one for this gateway, and the build before it where that is at hand.
    pub fn new(gateway: &Path, previous: Option<&Path>) -> Result<Self, Stop> {
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

    /// The gateway, on a free port.
    pub fn gateway(&self) -> Start {
        Start::new(&self.gateway)
    }

    /// The same over TLS, with the certificate `server`.
    pub fn tls(&self) -> Start {
        let (cert, key) = (self.pki.cert("server"), self.pki.key("server"));
        self.gateway().tls(&cert, &key)
    }

    /// The build before this one, where it is at hand.
    pub fn previous(&self) -> Option<Start> {
        self.previous.as_deref().map(Start::new)
    }

    /// What makes a gateway or its `dial` trust the authority.
    pub fn trust(&self) -> Vec<String> {
        let args = ["--transport.tls-client.trust-store", "path"];
        let bundle = [
            "--transport.tls-client.ca-bundle-path".into(),
            self.pki.cert("ca"),
        ];
        args.map(str::to_owned).into_iter().chain(bundle).collect()
    }

    /// A file of the private directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its path as text.
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file there, never half; its path as text.
    pub fn write(&self, name: &str, text: &str) -> Result<String, String> {
        let (path, next) = (self.path(name), self.path(&format!("{name}.next")));
        let written = fs::write(&next, text).and_then(|()| fs::rename(next, path));
        written.map_err(|e| format!("cannot write {name}: {e}"))?;
        Ok(self.file(name))
    }
}

/// Removes what runs left behind that were killed.
pub fn sweep() {
    netns::sweep();
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if is_stale(&entry.file_name().to_string_lossy()) {
            // Somebody else may be faster.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a name is that of a run whose process is gone.
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
    fn only_what_a_dead_run_left_is_stale() {
        assert!(!is_stale(&format!("{PREFIX}{}-a", std::process::id())));
        // Above the largest process id of Linux.
        assert!(is_stale(&format!("{PREFIX}4194305-a")));
        assert!(!is_stale("4194305"));
        assert!(!is_stale(&format!("{PREFIX}x-a")));
    }
}
