//! A forwarder that relays each client to an upstream.
//!
//! Both sides are under the same limits.

use std::time::Duration;

use ron_transport::{echo, relay, Conn, Transport, TransportDialer, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn forward(
    client: Conn,
    dialer: TransportDialer,
    upstream: String,
) -> Result<(), TransportError> {
    let upstream = match dialer.dial(upstream).await {
        Ok(upstream) => upstream,
        Err(error) => {
            println!("upstream: {error}");
            return Err(error);
        }
    };
    match relay(client, upstream).await {
        Ok(bytes) => println!("relayed {} and {} bytes", bytes.a_to_b, bytes.b_to_a),
        Err(failed) => {
            println!("side {} failed: {}", failed.side, failed.error);
            return Err(failed.into());
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let any = "127.0.0.1:0".parse()?;
    let upstream = Transport::builder().bind_addr(any).build()?;
    let upstream_addr = upstream.listen().await?;
    let forwarder = Transport::builder().bind_addr(any).build()?;
    let addr = forwarder.listen().await?;

    // A dialer does not keep its transport alive, so handlers may own one.
    let dialer = forwarder.dialer();
    let serving = forwarder
        .serve(move |client| forward(client, dialer.clone(), format!("tcp://{upstream_addr}")));
    let client = async {
        let mut conn = tokio::net::TcpStream::connect(addr.to_string()).await?;
        conn.write_all(b"through the relay").await?;
        conn.shutdown().await?;
        let mut answer = String::new();
        conn.read_to_string(&mut answer).await?;
        assert_eq!(answer, "through the relay");
        println!("answer {answer:?}");
        forwarder.shutdown(Duration::from_secs(1)).await;
        upstream.shutdown(Duration::from_secs(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (forwarded, echoed, asked) = tokio::join!(serving, upstream.serve(echo), client);
    forwarded?;
    echoed?;
    asked
}
