//! Snapshots of the open connections of a transport.

use std::sync::Arc;
use std::time::Duration;

use transport_core::{Backend, Direction, PeerAddr};

use crate::clock::duration;
use crate::control::Control;
use crate::limiter::Limiter;

/// One open connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnSnapshot {
    /// Number of the connection, unique in the process; `conn_id` in logs.
    pub id: u64,
    /// The transport that carries it.
    pub backend: Backend,
    /// Whether the peer opened the connection.
    pub accepted: bool,
    /// The other end; `None` for a dialed Tor stream.
    pub peer: Option<PeerAddr>,
    /// How long the connection has lived.
    pub age: Duration,
    /// How long no byte has moved in either direction.
    pub idle: Duration,
    /// Bytes read from the peer so far.
    pub bytes_in: u64,
    /// Bytes written to the peer so far.
    pub bytes_out: u64,
    /// Whether a read or a write waits for tokens of a rate, or for memory.
    pub throttled: bool,
}

impl Control {
    /// Returns the state of the connection now.
    #[must_use]
    pub fn snapshot(&self) -> ConnSnapshot {
        let conn = &*self.0;
        let since = |tick| duration(conn.limiter.now().saturating_sub(tick));
        ConnSnapshot {
            id: conn.id,
            backend: conn.backend,
            accepted: conn.accepted,
            peer: conn.peer_addr,
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
    /// Returns a handle on the open connection with this number.
    #[must_use]
    pub fn connection(&self, id: u64) -> Option<Control> {
        let register = self.register();
        let found = register.iter().find(|conn| conn.id == id);
        found.map(|conn| Control(Arc::clone(conn)))
    }

    /// Returns at most `max` open connections with a number above `after`, in ascending order.
    ///
    /// A caller that passes the last number it got pages through all of them. The register of
    /// connections is locked for a copy of handles.
    #[must_use]
    pub fn connections_after(&self, after: u64, max: usize) -> Vec<ConnSnapshot> {
        let mut controls = self.connections();
        controls.retain(|control| control.id() > after && !control.is_ended());
        controls.sort_unstable_by_key(Control::id);
        controls.truncate(max);
        controls.iter().map(Control::snapshot).collect()
    }
}
