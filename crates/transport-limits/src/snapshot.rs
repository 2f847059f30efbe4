//! Snapshots of the open connections of a transport.

use std::net::SocketAddr;
use std::time::Duration;

use transport_core::{Backend, Direction, PeerAddr};

use crate::clock::duration;
use crate::control::Control;
use crate::limiter::Limiter;

/// One open connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnSnapshot {
    /// The connection's number, unique in the process; `conn_id` in logs.
    pub id: u64,
    /// The transport that carries it.
    pub backend: Backend,
    /// Whether the peer opened the connection.
    pub accepted: bool,
    /// The peer's address; `None` for a dialed Tor stream.
    pub peer: Option<PeerAddr>,
    /// The hop that announced the peer's address.
    pub via: Option<PeerAddr>,
    /// The local address; `None` for streams without one.
    pub local: Option<SocketAddr>,
    /// Time since the connection was established.
    pub age: Duration,
    /// Time since the last byte in either direction.
    pub idle: Duration,
    /// Bytes read from the peer so far.
    pub bytes_in: u64,
    /// Bytes written to the peer so far.
    pub bytes_out: u64,
    /// Whether an operation waits for tokens or for memory.
    pub throttled: bool,
}

impl Control {
    /// Returns the state of the connection now.
    #[must_use]
    pub fn snapshot(&self) -> ConnSnapshot {
        let conn = &*self.0;
        let since = |tick| duration(conn.core.now().saturating_sub(tick));
        ConnSnapshot {
            id: conn.id(),
            backend: conn.backend(),
            accepted: conn.accepted,
            peer: conn.peer_addr(),
            via: conn.info().proxied.as_ref().and_then(|facts| facts.via),
            local: conn.info().local,
            age: since(conn.born),
            idle: since(conn.activity.at()),
            bytes_in: self.bytes_in(),
            bytes_out: self.bytes_out(),
            throttled: Direction::ALL
                .into_iter()
                .any(|half| conn.parked(half).is_some()),
        }
    }
}

impl Limiter {
    /// Returns the handle of the open connection with this number.
    #[must_use]
    pub fn connection(&self, id: u64) -> Option<Control> {
        self.registry().find(id).map(Control)
    }

    /// Returns up to `max` open connections with numbers above `after`, ascending.
    ///
    /// To page through all of them, pass the last number of the page before. The registry is locked
    /// while handles are copied.
    #[must_use]
    pub fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        let mut controls = self.connections();
        controls.retain(|control| control.id() > after && !control.is_ended());
        controls.sort_unstable_by_key(Control::id);
        controls.truncate(max);
        controls.iter().map(Control::snapshot).collect()
    }
}
