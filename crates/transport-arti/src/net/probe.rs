//! The probe: reads a byte from a directory cache over one relay.

use std::sync::Arc;

use arti_client::TorClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_circmgr::{CircMgr, DirInfo};
use tor_netdir::Timeliness;
use tor_proto::circuit::UniqId;

use super::proof::ProbeResult;
use crate::client::ArtiRuntime;

/// Requests the relay's own descriptor, as clients with bridges do.
const REQUEST: &[u8] = b"GET /tor/server/authority HTTP/1.0\r\n\r\n";

/// Returns whether a relay responded. Has no deadline of its own.
pub(super) async fn probe(tor: Arc<TorClient<ArtiRuntime>>) -> ProbeResult {
    match request(&tor).await {
        Some(()) => ProbeResult::Carried,
        None => ProbeResult::Failed,
    }
}

async fn request(tor: &TorClient<ArtiRuntime>) -> Option<()> {
    let (circuits, directory) = (tor.circmgr().ok()?, tor.dirmgr().ok()?);
    let netdir = directory.netdir(Timeliness::Unchecked).ok()?;
    let tunnel = circuits.get_or_launch_dir(DirInfo::Directory(&netdir));
    let tunnel = tunnel.await.ok()?;
    let mut circuit = RetireOnDrop {
        circuits: &circuits,
        id: Some(tunnel.unique_id()),
    };
    let mut stream = tunnel.begin_dir_stream().await.ok()?;
    stream.write_all(REQUEST).await.ok()?;
    stream.flush().await.ok()?;
    let bytes = stream.read(&mut [0]).await.ok()?;
    (bytes > 0).then(|| circuit.id = None)
}

/// Retires a circuit without a response; the next probe uses another.
struct RetireOnDrop<'a> {
    circuits: &'a CircMgr<ArtiRuntime>,
    id: Option<UniqId>,
}

impl Drop for RetireOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.circuits.retire_circ(id);
        }
    }
}
