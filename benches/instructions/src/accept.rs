//! TCP connections accepted through the guard, each ended by its client.

use std::net::{Shutdown, TcpStream};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_limits::Guard;
use transport_tcp::raw::TcpListener;
use transport_tcp::TcpConfig;

use crate::{measure, setup};

pub(crate) async fn run(operations: usize) {
    let limiter = setup::limiter();
    let raw = TcpListener::bind(setup::any(), &TcpConfig::default())
        .await
        .unwrap();
    let addr = raw.local_addr().unwrap();
    let mut guard = Guard::new(raw, &limiter);
    for counted in [false, true] {
        for _ in 0..operations {
            // The kernel completes the connection before the accept.
            let client = TcpStream::connect(addr).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let serve = async {
                let connection = guard.accept().await.establish().await.unwrap();
                let mut io = connection.io;
                assert_eq!(io.read(&mut [0; 64]).await.unwrap(), 0);
                io.shutdown().await.unwrap();
            };
            measure::both(counted, serve, async {}).await;
        }
    }
}
