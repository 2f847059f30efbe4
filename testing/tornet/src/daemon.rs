//! The process of one node: started, killed, stopped and continued, and its log.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{kill_process, waitid, Pid, Signal, WaitId, WaitIdOptions};

use super::node::Identity;
use super::{consensus, keys, TorNetError};

/// Loopback answers or refuses at once.
const CONNECT: Duration = Duration::from_secs(1);
/// How much of a log says why it failed.
const LOG_LINES: usize = 8;

/// A node with its directory, whether it runs or not. Dropping it kills its process.
#[derive(Debug)]
pub(super) struct Daemon {
    identity: Identity,
    /// Holds `torrc`, `log` and what tor keeps.
    dir: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Daemon {
    /// Does not start it.
    pub(super) fn new(identity: Identity, dir: PathBuf) -> Self {
        Self {
            identity,
            dir,
            process: Mutex::new(None),
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Starts its process unless there is one.
    pub(super) fn start(&self) -> Result<(), TorNetError> {
        let mut process = self.lock();
        if process.is_none() {
            *process = Some(self.spawn().map_err(|e| self.failed(e))?);
        }
        Ok(())
    }

    fn spawn(&self) -> io::Result<Child> {
        let path = self.dir.join("log");
        let log = File::options().create(true).append(true).open(path)?;
        let mut tor = keys::tor(&self.dir.join("torrc"));
        tor.stdin(Stdio::null()).stderr(log.try_clone()?);
        tor.stdout(log).spawn()
    }

    /// Kills its process and waits until it has ended, frozen or not.
    pub(super) fn stop(&self) -> Result<(), TorNetError> {
        let Some(mut process) = self.lock().take() else {
            return Ok(());
        };
        // Refused only where it has been waited for.
        let _ = process.kill();
        process.wait().map_err(|e| self.failed(e))?;
        // A number that is free again is nobody's to kill.
        let _ = fs::remove_file(self.dir.join("pid"));
        Ok(())
    }

    /// Returns when the process has stopped, so that nothing is answered afterwards.
    pub(super) fn freeze(&self) -> Result<(), TorNetError> {
        let Some(pid) = self.signal(Signal::STOP)? else {
            return Ok(());
        };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options).map_err(|e| self.failed(e))? {
            Some(status) if !status.stopped() => Err(self.failed("it ended by itself")),
            _ => Ok(()),
        }
    }

    pub(super) fn thaw(&self) -> Result<(), TorNetError> {
        self.signal(Signal::CONT).map(drop)
    }

    /// Does nothing where no process was started.
    fn signal(&self, signal: Signal) -> Result<Option<Pid>, TorNetError> {
        let mut process = self.lock();
        let Some(process) = &mut *process else {
            return Ok(None);
        };
        // The number of one that has ended may be another's.
        self.alive(process)?;
        let pid = Pid::from_child(process);
        kill_process(pid, signal).map_err(|e| self.failed(e))?;
        Ok(Some(pid))
    }

    /// Whether it takes connections and, as an authority, serves a consensus of all nodes; why
    /// not yet, otherwise.
    ///
    /// # Errors
    ///
    /// Where waiting is of no use: the process has ended, or the consensus lacks a node.
    pub(super) fn ready(&self) -> Result<Result<(), String>, TorNetError> {
        self.running()?;
        if let Err(error) = TcpStream::connect_timeout(&self.identity.or_addr(), CONNECT) {
            return Ok(Err(format!("its port: {error}")));
        }
        let Some(addr) = self.identity.dir_addr() else {
            return Ok(Ok(()));
        };
        match consensus::fetch(addr) {
            Ok(Some(consensus)) if consensus.missing().is_empty() => Ok(Ok(())),
            Ok(Some(consensus)) => {
                let missing = consensus.missing();
                Err(self.failed(format!("its consensus does not list {missing:?}")))
            }
            Ok(None) => Ok(Err("it has no consensus".into())),
            Err(error) => Ok(Err(format!("its consensus: {error}"))),
        }
    }

    /// An error where the process was not started or has ended.
    pub(super) fn running(&self) -> Result<(), TorNetError> {
        match &mut *self.lock() {
            Some(process) => self.alive(process),
            None => Err(self.failed("it was not started")),
        }
    }

    fn alive(&self, process: &mut Child) -> Result<(), TorNetError> {
        match process.try_wait().map_err(|e| self.failed(e))? {
            Some(status) => Err(self.failed(format!("it ended by itself ({status})"))),
            None => Ok(()),
        }
    }

    /// An error about this node, with the end of its log.
    pub(super) fn failed(&self, why: impl std::fmt::Display) -> TorNetError {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        let name = self.identity.node;
        TorNetError::new(format!("{name}: {why}; its log ends:\n{}", last.join("\n")))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        // A test that failed meanwhile leaves a process as it was.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[test]
fn a_process_that_ends_is_named_and_its_log_is_quoted() {
    if super::skip("a_process_that_ends_is_named_and_its_log_is_quoted") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("torrc"), "NoSuchOption 1\n").unwrap();
    let identity = Identity {
        node: super::Node::Middle,
        or_port: 1,
        rsa: String::new(),
        ed25519: String::new(),
        authority: None,
    };
    let daemon = Daemon::new(identity, dir.path().to_owned());
    let error = daemon.ready().unwrap_err().to_string();
    assert!(error.starts_with("middle: it was not started"), "{error}");
    daemon.start().unwrap();
    let pid = daemon.lock().as_ref().map(Pid::from_child).unwrap();
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), ended).unwrap();
    for error in [
        daemon.ready().unwrap_err(),
        daemon.freeze().unwrap_err(),
        daemon.thaw().unwrap_err(),
    ] {
        let error = error.to_string();
        for part in [
            "middle: it ended by itself",
            "Unknown option 'NoSuchOption'",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
    daemon.stop().unwrap();
    daemon.freeze().unwrap();
}
