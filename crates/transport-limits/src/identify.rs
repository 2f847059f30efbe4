//! Identifies and admits the peer behind a hop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use transport_core::{Op, Pending, TransportError};

use crate::conn_settings::ConnSettings;
use crate::deadline::until;
use crate::pending_conn::PendingConn;

/// A connection whose peer is known and admitted.
type Identified<P> = (P, PendingConn, Arc<ConnSettings>);

pub(crate) type Identifying<P> =
    Pin<Box<dyn Future<Output = Result<Identified<P>, TransportError>> + Send>>;

/// Waits for the hop's announcement, and admits the peer.
///
/// A failure is counted once, after the connection was dropped.
pub(crate) async fn identify<P: Pending>(
    mut pending: P,
    mut conn: PendingConn,
    settings: Arc<ConnSettings>,
    limit: Duration,
) -> Result<Identified<P>, TransportError> {
    let deadline = conn.deadline(limit.min(settings.handshake));
    let identified = until(deadline, pending.identify()).await;
    let identified = identified.unwrap_or(Err(TransportError::Timeout {
        op: Op::ProxyHeader,
    }));
    let admitted = identified.and_then(|()| {
        let (peer, is_hop) = (pending.peer(), pending.hop_timeout().is_some());
        conn.peer = Some(peer);
        let limiter = conn.limiter.clone();
        limiter
            .admit_identified(&mut conn.permit, conn.backend, peer, is_hop)
            .map_err(|reason| TransportError::Refused { reason })
    });
    match admitted {
        Ok(()) => Ok((pending, conn, settings)),
        Err(error) => {
            drop(pending);
            Err(conn.fail(error))
        }
    }
}
