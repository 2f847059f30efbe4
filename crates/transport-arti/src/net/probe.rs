//! Asks the network whether it is there: a few bytes from a directory cache, over one relay.

use std::sync::Arc;

use arti_client::TorClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_circmgr::{CircMgr, DirInfo};
use tor_netdir::Timeliness;
use tor_proto::circuit::UniqId;

use super::runtime::Runtime;

/// A relay's own descriptor, which clients with bridges ask for as well; its first byte will do.
const REQUEST: &[u8] = b"GET /tor/server/authority HTTP/1.0\r\n\r\n";

/// Whether a relay answered. It may take long: whoever asks has a deadline.
pub(super) async fn probe(tor: Arc<TorClient<Runtime>>) -> bool {
    let (Ok(circuits), Ok(directory)) = (tor.circmgr(), tor.dirmgr()) else {
        return false;
    };
    let Ok(netdir) = directory.netdir(Timeliness::Unchecked) else {
        return false;
    };
    let Ok(tunnel) = circuits
        .get_or_launch_dir(DirInfo::Directory(&netdir))
        .await
    else {
        return false;
    };
    let mut unproven = Unproven {
        circuits: &circuits,
        id: Some(tunnel.unique_id()),
    };
    let Ok(mut stream) = tunnel.begin_dir_stream().await else {
        return false;
    };
    let asked = async {
        stream.write_all(REQUEST).await?;
        stream.flush().await?;
        stream.read(&mut [0]).await
    };
    let answered = asked.await.is_ok_and(|bytes| bytes > 0);
    if answered {
        unproven.id = None;
    }
    answered
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
