//! The addresses at which a transport listens.

use std::net::SocketAddr;

use transport_core::TransportError;
use transport_tcp::raw::{ListenSet, StagedSockets};
use transport_tcp::TcpConfig;

use crate::listen_addr::ListenAddr;

/// The addresses at which a transport listens.
#[derive(Debug)]
pub(crate) enum BoundAddrs {
    /// IP sockets, of which a reload adds and removes some.
    Ip(ListenSet),
    /// IP sockets of another process.
    Inherited(ListenSet),
    /// A Unix socket, an onion service or a custom listener.
    Other(ListenAddr),
}

impl BoundAddrs {
    /// Returns the addresses, in the order of the configuration.
    pub(crate) fn all(&self) -> Vec<ListenAddr> {
        match self {
            Self::Ip(set) | Self::Inherited(set) => {
                let addrs = set.local_addrs().into_iter();
                addrs.map(ListenAddr::Ip).collect()
            }
            Self::Other(addr) => vec![addr.clone()],
        }
    }

    /// Opens the sockets of added addresses.
    pub(crate) fn stage(
        &self,
        addrs: &[SocketAddr],
        tcp: &TcpConfig,
    ) -> Result<StagedAddrs, TransportError> {
        match self {
            Self::Ip(set) => set
                .stage(addrs, tcp)
                .map(|staged| StagedAddrs(Some(staged))),
            _ => Ok(StagedAddrs::default()),
        }
    }
}

/// The opened sockets of a reload that adds or removes addresses.
///
/// [`Transport::stage_addrs`](crate::Transport::stage_addrs) opens them. Dropping it closes them, and
/// nothing has changed.
#[derive(Debug, Default)]
#[must_use = "without commit() the added addresses close again"]
pub struct StagedAddrs(Option<StagedSockets>);

impl StagedAddrs {
    /// Accepts at the added addresses, and closes the removed ones.
    ///
    /// Connections that the kernel has completed for a removed address are accepted first.
    pub fn commit(self) {
        if let Some(staged) = self.0 {
            staged.commit();
        }
    }
}
