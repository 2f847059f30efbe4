//! The process of one node: start, kill, stop, continue, and its log.

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

/// The timeout of loopback connections.
const CONNECT: Duration = Duration::from_secs(1);
/// The number of log lines in an error.
const LOG_LINES: usize = 8;

/// A node with its directory; dropping it kills its process.
#[derive(Debug)]
pub(super) struct Daemon {
    identity: Identity,
    /// Contains `torrc`, `log` and tor's state.
    dir: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Daemon {
    /// Returns a node that is not started.
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

    /// Starts the process unless it runs.
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

    /// Kills the process, frozen or not, and waits for its end.
    pub(super) fn stop(&self) -> Result<(), TorNetError> {
        let Some(mut process) = self.lock().take() else {
            return Ok(());
        };
        // Fails only if the process has been waited for.
        let _ = process.kill();
        process.wait().map_err(|e| self.failed(e))?;
        // A reused process id must not be killed.
        let _ = fs::remove_file(self.dir.join("pid"));
        Ok(())
    }

    /// Stops the process, and returns when it has stopped.
    pub(super) fn freeze(&self) -> Result<(), TorNetError> {
        let Some(pid) = self.signal(Signal::STOP)? else {
            return Ok(());
        };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options).map_err(|e| self.failed(e))? {
            Some(status) if !status.stopped() => Err(self.failed("the process ended by itself")),
            _ => Ok(()),
        }
    }

    pub(super) fn thaw(&self) -> Result<(), TorNetError> {
        self.signal(Signal::CONT).map(drop)
    }

    /// Does nothing without a process.
    fn signal(&self, signal: Signal) -> Result<Option<Pid>, TorNetError> {
        let mut process = self.lock();
        let Some(process) = &mut *process else {
            return Ok(None);
        };
        // The process id may be reused after the end of the process.
        self.alive(process)?;
        let pid = Pid::from_child(process);
        kill_process(pid, signal).map_err(|e| self.failed(e))?;
        Ok(Some(pid))
    }

    /// Returns whether the node is ready, or why not yet.
    ///
    /// A node is ready when it accepts connections and, as an authority, serves a consensus of all
    /// nodes.
    ///
    /// # Errors
    ///
    /// Waiting is of no use: the process has ended, or the consensus lacks a node.
    pub(super) fn ready(&self) -> Result<Result<(), String>, TorNetError> {
        self.running()?;
        if let Err(error) = TcpStream::connect_timeout(&self.identity.or_addr(), CONNECT) {
            return Ok(Err(format!("OR port: {error}")));
        }
        let Some(addr) = self.identity.dir_addr() else {
            return Ok(Ok(()));
        };
        match consensus::fetch(addr) {
            Ok(Some(consensus)) if consensus.missing().is_empty() => Ok(Ok(())),
            Ok(Some(consensus)) => {
                let missing = consensus.missing();
                Err(self.failed(format!("the consensus does not list {missing:?}")))
            }
            Ok(None) => Ok(Err("no consensus yet".into())),
            Err(error) => Ok(Err(format!("consensus: {error}"))),
        }
    }

    /// Fails if the process was not started or has ended.
    pub(super) fn running(&self) -> Result<(), TorNetError> {
        match &mut *self.lock() {
            Some(process) => self.alive(process),
            None => Err(self.failed("the process was not started")),
        }
    }

    fn alive(&self, process: &mut Child) -> Result<(), TorNetError> {
        match process.try_wait().map_err(|e| self.failed(e))? {
            Some(status) => Err(self.failed(format!("the process ended by itself ({status})"))),
            None => Ok(()),
        }
    }

    /// Returns an error about this node, with the end of its log.
    pub(super) fn failed(&self, why: impl std::fmt::Display) -> TorNetError {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        let name = self.identity.node;
        TorNetError::new(format!(
            "{name}: {why}; end of its log:\n{}",
            last.join("\n")
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        // A test that failed may leave the process in any state.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[test]
fn ended_process_named_with_log() {
    if super::skip("ended_process_named_with_log") {
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
    assert!(
        error.starts_with("middle: the process was not started"),
        "{error}"
    );
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
            "middle: the process ended by itself",
            "Unknown option 'NoSuchOption'",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
    daemon.stop().unwrap();
    daemon.freeze().unwrap();
}
