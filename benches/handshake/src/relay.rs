//! The relay without limits: the floor of a relay on tokio.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a buffer: as many as the gateway has.
const BUFFER: usize = 64 << 10;

/// Relays at this address until the process is killed.
pub(crate) fn run(addr: SocketAddr, upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await.unwrap();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                client.set_nodelay(true).unwrap();
                let Ok(mut server) = TcpStream::connect(upstream).await else {
                    return;
                };
                server.set_nodelay(true).unwrap();
                let _ =
                    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
            });
        }
    });
}
