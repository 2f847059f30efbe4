//! The dialing side: each target is the upstream of one peer.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{Backend, ConnInfo, Connection, Dialer, Target, TransportError};
use tokio::time::sleep;

use super::stream::SimIo;
use crate::script::{Mode, Upstream};
use crate::upstream;
use crate::world::World;

/// Dials the upstream `up://N` of the peer with this number.
#[derive(Debug)]
pub(crate) struct SimDialer(pub(crate) Arc<World>);

impl Dialer for SimDialer {
    type Io = SimIo;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn dial(&self, to: &Target) -> Result<Connection<SimIo>, TransportError> {
        let refused = || TransportError::Connect {
            target: to.to_string(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        let Target::Custom { address, .. } = to else {
            return Err(refused());
        };
        let peer: usize = address.parse().map_err(|_| refused())?;
        let plan = self.0.script.peers.get(peer).ok_or_else(refused)?;
        let Mode::Relay(upstream) = plan.mode else {
            return Err(refused());
        };
        match upstream {
            Upstream::Refuses(ms) => {
                sleep(Duration::from_millis(ms)).await;
                return Err(refused());
            }
            Upstream::Silent => pending().await,
            Upstream::Serves { dial_ms, .. } => sleep(Duration::from_millis(dial_ms)).await,
            Upstream::Early { .. } | Upstream::Cuts { .. } => {}
        }
        let (far, ours) = self.0.connect(peer, plan.wire, false);
        self.0
            .spawn(upstream::run(Arc::clone(&self.0), peer, upstream, far));
        Ok(Connection::new(ours, ConnInfo::new(Backend::Tcp, None)))
    }
}
