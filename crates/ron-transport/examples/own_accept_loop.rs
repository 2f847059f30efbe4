//! An embedder's own accept loop, tasks and shutdown order.

use std::time::Duration;

use ron_transport::{IncomingConn, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Runs the handshake, then the protocol.
async fn handle(incoming: IncomingConn) -> Result<u64, TransportError> {
    let conn = incoming.establish().await?;
    Ok(ron_transport::echo(conn).await?)
}

/// Accepts until the listener is closed.
///
/// Returns the bytes that all connections sent.
async fn accept_loop(transport: &Transport) -> Result<u64, TransportError> {
    let mut tasks = JoinSet::new();
    let mut bytes = 0;
    // Applies renewed certificates; with TCP alone it does nothing.
    let watching = transport.watch_certificates();
    tokio::pin!(watching);
    loop {
        tokio::select! {
            accepted = transport.accept() => match accepted? {
                // In a task: a slow handshake does not delay the other clients.
                Some(incoming) => _ = tasks.spawn(handle(incoming)),
                None => break,
            },
            Some(Ok(Ok(sent))) = tasks.join_next() => bytes += sent,
            () = &mut watching => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Ok(Ok(sent)) = ended {
            bytes += sent;
        }
    }
    Ok(bytes)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .build()?;
    let addr = transport.listen().await?.to_string();

    let clients = async {
        for _ in 0..3 {
            let mut conn = tokio::net::TcpStream::connect(&addr).await?;
            conn.write_all(b"hello").await?;
            conn.shutdown().await?;
            let mut answer = String::new();
            conn.read_to_string(&mut answer).await?;
            assert_eq!(answer, "hello");
        }
        // First no new clients, then the end of the present ones, then the transport.
        transport.stop_accepting().await;
        transport.wait_empty().await;
        let report = transport.shutdown(Duration::from_secs(1)).await;
        assert_eq!((report.closed_idle, report.aborted), (0, 0));
        Ok::<_, std::io::Error>(())
    };
    let (bytes, asked) = tokio::join!(accept_loop(&transport), clients);
    asked?;
    let bytes = bytes?;
    assert_eq!(bytes, 15);
    println!("{bytes} bytes in 3 connections");
    Ok(())
}
