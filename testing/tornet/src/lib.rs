//! A private Tor network on loopback, for tests: [`TorNet`].
//!
//! Five `tor` processes (Debian's package `tor`, which nothing that ships needs): three
//! authorities, a middle and an exit. It is up in about 20 s. All of it lies in one private
//! directory and is gone at the end, however the process that started it ends.

// Threads wait by the clock.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used)]

mod consensus;
mod daemon;
mod error;
mod keys;
mod node;
mod ports;
mod skip;
mod start;
mod sweeper;
mod torrc;

pub use consensus::{Consensus, Listed};
pub use error::TorNetError;
pub use node::Node;
pub use skip::skip;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use daemon::Daemon;
use sweeper::Sweeper;
use torrc::Guards;

/// A running private network. Dropping it ends its processes and removes its directory.
///
/// Every method blocks: call them outside of async code or from `spawn_blocking`.
#[derive(Debug)]
pub struct TorNet {
    // In the order of `Node::ALL`. Dropped before the sweeper, which removes what they write to.
    daemons: Vec<Daemon>,
    dir: PathBuf,
    _sweeper: Sweeper,
}

impl TorNet {
    /// Starts a network of its own in the system's temporary directory, and waits for a consensus
    /// that lists every node.
    ///
    /// # Errors
    ///
    /// Where a `tor` cannot be started, ends, or has no full consensus in time (under 4 minutes
    /// after three attempts); with the last lines of its log.
    pub fn start() -> Result<Self, TorNetError> {
        start::start(&std::env::temp_dir(), Guards::NotExit)
    }

    /// As [`start`](Self::start), where a client's guard may be the one exit: with Arti, that
    /// client has no path out until it takes another guard.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with_exit_as_guard() -> Result<Self, TorNetError> {
        start::start(&std::env::temp_dir(), Guards::Any)
    }

    /// As [`start`](Self::start), in a new directory `ron-tornet-*` within `parent`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_in(parent: &Path) -> Result<Self, TorNetError> {
        start::start(parent, Guards::NotExit)
    }

    /// The network that all tests of this process share, started by the first who asks. A test
    /// that takes nodes away starts one of its own.
    ///
    /// # Panics
    ///
    /// Where it does not start; then for everyone who asks, without another attempt.
    pub fn shared() -> &'static Self {
        // Never dropped: the sweeper ends it when the process has ended.
        static SHARED: OnceLock<Result<TorNet, TorNetError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(net) => net,
            Err(why) => panic!("{why}"),
        }
    }

    /// Arti's configuration (TOML) for this network: what goes into the file that
    /// `arti.config_path` names. It stays the same over outages.
    pub fn client_config(&self) -> String {
        let identities: Vec<_> = self.daemons.iter().map(Daemon::identity).collect();
        torrc::client(&identities)
    }

    /// The directory of the network; each node's is named after it and holds its `log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a node takes connections from other nodes and from clients.
    pub fn or_addr(&self, node: Node) -> SocketAddr {
        self.daemon(node).identity().or_addr()
    }

    /// Where an authority serves its directory over HTTP; nothing for a node that is none.
    pub fn dir_addr(&self, node: Node) -> Option<SocketAddr> {
        self.daemon(node).identity().dir_addr()
    }

    /// The consensus as an authority serves it now; nothing where it has none.
    ///
    /// # Errors
    ///
    /// Where the authority does not answer within seconds, or the node is none.
    pub fn consensus(&self, authority: Node) -> Result<Option<Consensus>, TorNetError> {
        let addr = self.dir_addr(authority);
        let addr = addr.ok_or_else(|| TorNetError::new(format!("{authority} is no authority")))?;
        consensus::fetch(addr).map_err(|e| TorNetError::io(format!("{authority} at {addr}"), e))
    }

    /// The network cannot be reached: every process is killed, and connecting to it is refused.
    ///
    /// The consensus goes on to age: clients find it expired after 5 minutes at the earliest.
    ///
    /// # Errors
    ///
    /// Where a process cannot be waited for.
    pub fn cut_off(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::stop)
    }

    /// Ends [`cut_off`](Self::cut_off): the same keys on the same ports. Returns when every node
    /// listens and every authority serves the consensus.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), within a minute.
    pub fn restore(&self) -> Result<(), TorNetError> {
        start::restart(&self.daemons)
    }

    /// The network hangs: connections are taken by the kernel and nobody answers. Returns when
    /// every process has stopped.
    ///
    /// # Errors
    ///
    /// Where a process has ended by itself.
    pub fn freeze(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::freeze)
    }

    /// Ends [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// Where a process has ended by itself.
    pub fn thaw(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::thaw)
    }

    /// Kills one node, as [`cut_off`](Self::cut_off) does all.
    ///
    /// # Errors
    ///
    /// Where its process cannot be waited for.
    pub fn stop_node(&self, node: Node) -> Result<(), TorNetError> {
        self.daemon(node).stop()
    }

    /// Starts a stopped node again, with its keys and ports, and waits until it serves. One that
    /// runs is left alone.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore).
    pub fn restart_node(&self, node: Node) -> Result<(), TorNetError> {
        start::restart(std::slice::from_ref(self.daemon(node)))
    }

    fn daemon(&self, node: Node) -> &Daemon {
        &self.daemons[node as usize]
    }
}
