//! Asks the network whether it is there: a few bytes from a directory cache, over one relay.

use std::sync::Arc;

use arti_client::TorClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_circmgr::{CircMgr, DirInfo};
use tor_netdir::Timeliness;
use tor_proto::circuit::UniqId;

use super::proof::Answer;
use super::runtime::Runtime;

/// A relay's own descriptor, which clients with bridges ask for as well; its first byte will do.
const REQUEST: &[u8] = b"GET /tor/server/authority HTTP/1.0\r\n\r\n";

/// Returns whether a relay answered. It may take long: the caller has a deadline.
pub(super) async fn probe(tor: Arc<TorClient<Runtime>>) -> Answer {
    match ask(&tor).await {
        Some(()) => Answer::Carried,
        None => Answer::Failed,
    }
}

async fn ask(tor: &TorClient<Runtime>) -> Option<()> {
    let (circuits, directory) = (tor.circmgr().ok()?, tor.dirmgr().ok()?);
    let netdir = directory.netdir(Timeliness::Unchecked).ok()?;
    let tunnel = circuits.get_or_launch_dir(DirInfo::Directory(&netdir));
    let tunnel = tunnel.await.ok()?;
    let mut unproven = Unproven {
        circuits: &circuits,
        id: Some(tunnel.unique_id()),
    };
    let mut stream = tunnel.begin_dir_stream().await.ok()?;
    stream.write_all(REQUEST).await.ok()?;
    stream.flush().await.ok()?;
    let bytes = stream.read(&mut [0]).await.ok()?;
    (bytes > 0).then(|| unproven.id = None)
}

/// A circuit that has not answered: whatever ends the wait, the next probe takes another.
struct Unproven<'a> {
    circuits: &'a CircMgr<Runtime>,
    id: Option<UniqId>,
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.circuits.retire_circ(id);
        }
    }
}
