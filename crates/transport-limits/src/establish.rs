//! Wraps an established raw connection in its guard.

use std::sync::Arc;

use transport_core::{Connection, Io};

use crate::conn_settings::ConnSettings;
use crate::conn_state::ConnState;
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::permit::Permit;

/// Wraps an established connection, and adds it to the registry.
pub(crate) fn guarded<I: Io>(
    limiter: Limiter,
    mut permit: Permit,
    id: u64,
    connection: Connection<I>,
    settings: Arc<ConnSettings>,
    now: u64,
) -> Connection<GuardedIo<I>> {
    let accepted = permit.is_accepted();
    let peer = permit.established();
    // The stream counts its close.
    permit.counted();
    let (core, registry) = limiter.into_parts();
    let (io, mut info) = connection.into_parts();
    Arc::make_mut(&mut info).id = id;
    let mut conn = ConnState::new(Arc::clone(&info), core, settings, peer, now);
    // A hop's own connection has no peer.
    conn.accepted = accepted;
    Connection::new(GuardedIo::new(io, conn, permit, &registry), info)
}
