//! The upstream of the proxies: a TCP echo server.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cores;
use crate::servers::any;

/// Starts the server on a thread that lives like the process.
pub(crate) fn start() -> SocketAddr {
    let (ready, bound) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        cores::beside();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(any()).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(echo(stream));
            }
        });
    });
    bound.recv().unwrap()
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
