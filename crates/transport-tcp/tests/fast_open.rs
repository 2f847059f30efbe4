//! TCP Fast Open.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Dialer, Listener, Pending};
use transport_tcp::raw::{TcpDialer, TcpListener};
use transport_tcp::TcpConfig;

/// Without permission in `net.ipv4.tcp_fastopen`, connections open as usual.
#[tokio::test]
async fn fast_open_exchanges_data() {
    let mut config = TcpConfig::default();
    config.set_fast_open(16).unwrap().set_dial_fast_open(true);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut listener = TcpListener::bind(any, &config).await.unwrap();
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let dialer = TcpDialer::new(&config);
    // The first connection asks for the cookie, with which the later ones send data at once.
    for _ in 0..3 {
        let mut dialed = dialer.dial(&target).await.unwrap().io;
        dialed.write_all(b"hello").await.unwrap();
        let accepted = listener.accept().await.unwrap().establish().await;
        let mut accepted = accepted.unwrap().io;
        let mut read = [0; 5];
        accepted.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        accepted.write_all(b"answer").await.unwrap();
        drop(accepted);
        let mut answer = Vec::new();
        dialed.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
    }
}
