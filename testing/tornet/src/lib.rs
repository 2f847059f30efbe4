//! A private Tor network on loopback, for tests: [`TorNet`].
//!
//! Five `tor` processes (Debian's package `tor`): three authorities, a middle and an exit. The
//! network is up in about 20 s. It lies in one private directory, which is removed in the end, even
//! if the process that started it is killed.

// Threads wait by the clock.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used)]
// This crate is not published.
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs)]

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

/// A running private network; dropping it ends and removes it.
///
/// All methods block: call them outside of async code or from `spawn_blocking`.
#[derive(Debug)]
pub struct TorNet {
    // In the order of `Node::ALL`. Dropped before the sweeper, which removes the nodes'
    // directories.
    daemons: Vec<Daemon>,
    dir: PathBuf,
    _sweeper: Sweeper,
}

impl TorNet {
    /// Starts a network, and waits for a consensus that lists every node.
    ///
    /// The network lies in the system's temporary directory.
    ///
    /// # Errors
    ///
    /// A `tor` cannot be started, ends, or has no full consensus in time (under 4 minutes for three
    /// attempts). The error contains the last lines of its log.
    pub fn start() -> Result<Self, TorNetError> {
        start::start(&std::env::temp_dir(), Guards::NotExit)
    }

    /// Starts a network whose only exit may be a guard.
    ///
    /// With Arti, such a client has no path until it takes another guard.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with_exit_as_guard() -> Result<Self, TorNetError> {
        start::start(&std::env::temp_dir(), Guards::Any)
    }

    /// Starts a network in a new directory `ron-tornet-*` within `parent`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_in(parent: &Path) -> Result<Self, TorNetError> {
        start::start(parent, Guards::NotExit)
    }

    /// Returns the network that all tests of this process share.
    ///
    /// The first call starts it. A test that stops nodes starts a network of its own.
    ///
    /// # Panics
    ///
    /// The network does not start; later calls panic too, without another attempt.
    pub fn shared() -> &'static Self {
        // Never dropped: the sweeper ends it when the process has ended.
        static SHARED: OnceLock<Result<TorNet, TorNetError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(net) => net,
            Err(why) => panic!("{why}"),
        }
    }

    /// Returns Arti's configuration (TOML), the content of the file in `arti.config_path`.
    ///
    /// It stays the same over outages.
    pub fn client_config(&self) -> String {
        let identities: Vec<_> = self.daemons.iter().map(Daemon::identity).collect();
        torrc::client(&identities)
    }

    /// Returns the network's directory; a subdirectory per node contains its `log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the address where a node accepts nodes and clients.
    pub fn or_addr(&self, node: Node) -> SocketAddr {
        self.daemon(node).identity().or_addr()
    }

    /// Returns the address of an authority's HTTP directory; `None` for other nodes.
    pub fn dir_addr(&self, node: Node) -> Option<SocketAddr> {
        self.daemon(node).identity().dir_addr()
    }

    /// Fetches the current consensus of an authority; `None` if it has none.
    ///
    /// # Errors
    ///
    /// The authority does not answer within seconds, or the node is no authority.
    pub fn consensus(&self, authority: Node) -> Result<Option<Consensus>, TorNetError> {
        let addr = self.dir_addr(authority);
        let addr = addr.ok_or_else(|| TorNetError::new(format!("{authority} is no authority")))?;
        consensus::fetch(addr).map_err(|e| TorNetError::io(format!("{authority} at {addr}"), e))
    }

    /// Makes the network unreachable: kills every process, so connections are refused.
    ///
    /// The consensus continues to age: clients find it expired after 5 minutes at the earliest.
    ///
    /// # Errors
    ///
    /// A process cannot be waited for.
    pub fn cut_off(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::stop)
    }

    /// Ends [`cut_off`](Self::cut_off), with the same keys on the same ports.
    ///
    /// Returns when every node listens and every authority serves the consensus.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), within a minute.
    pub fn restore(&self) -> Result<(), TorNetError> {
        start::restart(&self.daemons)
    }

    /// Makes the network hang: the kernel accepts connections, but no process answers.
    ///
    /// Returns when every process has stopped.
    ///
    /// # Errors
    ///
    /// A process has ended by itself.
    pub fn freeze(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::freeze)
    }

    /// Ends [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// A process has ended by itself.
    pub fn thaw(&self) -> Result<(), TorNetError> {
        self.daemons.iter().try_for_each(Daemon::thaw)
    }

    /// Kills one node.
    ///
    /// # Errors
    ///
    /// Its process cannot be waited for.
    pub fn stop_node(&self, node: Node) -> Result<(), TorNetError> {
        self.daemon(node).stop()
    }

    /// Starts a stopped node, and waits until it serves.
    ///
    /// A running node is left alone.
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
