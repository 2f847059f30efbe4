//! The state of an admitted connection before it is established.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use transport_core::{Backend, Connection, Io, PeerAddr, TransportError};

use crate::clock::{duration, ticks};
use crate::conn_settings::ConnSettings;
use crate::establish::guarded;
use crate::event::ConnLabels;
use crate::io::GuardedIo;
use crate::limiter::Limiter;
use crate::permit::Permit;

#[derive(Debug)]
pub(crate) struct PendingConn {
    pub(crate) permit: Permit,
    pub(crate) limiter: Limiter,
    pub(crate) backend: Backend,
    /// `None` while only the hop is known.
    pub(crate) peer: Option<PeerAddr>,
    /// The hop before the peer.
    pub(crate) via: Option<PeerAddr>,
    pub(crate) id: u64,
    /// In ticks.
    pub(crate) accepted_at: u64,
}

impl PendingConn {
    /// Returns the instant this long after the accept.
    pub(crate) fn deadline(&self, limit: Duration) -> Instant {
        let deadline = self.accepted_at.saturating_add(ticks(limit));
        self.limiter.core().instant(deadline)
    }

    pub(crate) fn labels(&self) -> ConnLabels<'static> {
        ConnLabels {
            conn_id: Some(self.id),
            peer: self.peer,
            via: self.via,
            ..ConnLabels::default()
        }
    }

    /// Counts and logs the end of the handshake.
    pub(crate) fn end<I: Io>(
        self,
        settings: Arc<ConnSettings>,
        result: Result<Connection<I>, TransportError>,
    ) -> Result<Connection<GuardedIo<I>>, TransportError> {
        let connection = match result {
            Ok(connection) => connection,
            Err(error) => return Err(self.fail(error)),
        };
        let Self {
            permit,
            limiter,
            backend,
            id,
            accepted_at,
            ..
        } = self;
        let core = limiter.core();
        let now = core.now();
        let took = duration(now.saturating_sub(accepted_at));
        core.observer().handshake(backend, took);
        let connection = guarded(limiter.clone(), permit, id, connection, settings, now);
        core.events().established(connection.info(), took);
        Ok(connection)
    }

    /// Counts and logs a failure before the connection was established.
    pub(crate) fn fail(mut self, error: TransportError) -> TransportError {
        self.permit.counted();
        let (backend, conn) = (self.backend, self.labels());
        let core = self.limiter.core();
        let took = duration(core.now().saturating_sub(self.accepted_at));
        if let Some(reason) = error.reason() {
            core.events()
                .handshake_failed(backend, self.id, took, &error);
            core.rejected(reason, backend, conn, Some(&error));
        } else {
            let reason = error.close_reason();
            core.observer().closed(backend, reason);
            core.events()
                .closed_early(backend, conn, took, reason, &error);
        }
        error
    }
}
