//! The echo servers whose memory is measured, each in its own process.

use std::net::SocketAddr;

use crate::pki::Pki;
use crate::servers;

/// Serves at this address until the process is killed.
pub(crate) fn run(kind: &str, addr: SocketAddr) {
    let config = Pki::new().server();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if kind == "bare" {
            let (ready, _bound) = std::sync::mpsc::sync_channel(1);
            return servers::bare(config, addr, ready).await;
        }
        let (transport, _) = servers::transport(config, addr).await;
        transport.serve(ron_transport::echo).await.unwrap();
    });
}
