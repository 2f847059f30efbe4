//! Binds listeners, or uses bound sockets.

use std::net::SocketAddr;

use transport_core::{Reloadable, TransportError};

use super::listen_set::ListenSet;
use super::mailbox::Mailbox;
use super::open::OpenSocket;
use super::TcpListener;
use crate::TcpConfig;

impl ListenSet {
    /// Binds the addresses, with a listener for each accept loop.
    ///
    /// Port 0 selects a free port. On Linux each of several loops has sockets of its own
    /// (`SO_REUSEPORT`), over which the kernel spreads connections; elsewhere they share them. An
    /// address where another socket listens is an error, unless the configuration has `reuse_port`.
    /// `[::]` leaves IPv4 to an IPv4 address with the same port in the list, and accepts both without
    /// one, as the system does.
    ///
    /// # Errors
    /// [`TransportError::Bind`] with the address; [`TransportError::Config`] without an address and
    /// for a list that [`check_addrs`](crate::check_addrs) refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(
        addrs: &[SocketAddr],
        config: &TcpConfig,
        loops: usize,
    ) -> Result<(Self, Vec<TcpListener>), TransportError> {
        let set = Self::default();
        let loops = loops.max(1);
        let boxes: Vec<_> = (0..loops)
            .map(|_| set.mailbox(&Mailbox::default()))
            .collect();
        set.stage(addrs, config)?.commit();
        let live = Reloadable::new(config.clone());
        let listeners = boxes.into_iter().map(|mailbox| {
            let mut listener = TcpListener::new(Vec::new(), &live, mailbox, &set);
            listener.apply_changes().map(|()| listener)
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok((set, listeners))
    }

    /// Uses listening sockets, such as those that a service manager passes.
    ///
    /// Their backlog and other options stay.
    ///
    /// # Errors
    /// [`TransportError::Io`] if a socket does not listen; [`TransportError::Config`] without a socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(
        sockets: Vec<std::net::TcpListener>,
        config: &TcpConfig,
    ) -> Result<(Self, TcpListener), TransportError> {
        let sockets = sockets.into_iter().map(OpenSocket::of_other);
        let (set, mailbox) = Self::of_sockets(sockets.collect::<Result<_, _>>()?)?;
        let live = Reloadable::new(config.clone());
        let mut listener = TcpListener::new(Vec::new(), &live, mailbox, &set);
        listener.apply_changes()?;
        Ok((set, listener))
    }
}
