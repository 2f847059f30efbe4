//! An accept loop of the embedder.

use std::sync::Arc;

use ron_transport::{echo, PeerAddr, Transport};
use tokio::task::JoinHandle;

/// Accepts until the end, and echoes; returns the peers.
pub(crate) fn accept_all(transport: &Arc<Transport>) -> JoinHandle<Vec<PeerAddr>> {
    let transport = Arc::clone(transport);
    tokio::spawn(async move {
        let mut peers = Vec::new();
        while let Some(incoming) = transport.accept().await.unwrap() {
            peers.push(incoming.peer());
            let id = incoming.id();
            tokio::spawn(async move {
                let conn = incoming.establish().await.unwrap();
                assert_eq!(conn.control().id(), id);
                echo(conn).await
            });
        }
        peers
    })
}
