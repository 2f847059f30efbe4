//! Frames instead of bytes: a service that answers each frame with its length, and a client of it.
//! Ends in order: the transport drains before the program does.

use std::time::Duration;

use ron_transport::{Conn, Endpoint, Transport};

/// Reads frames until the peer ends or breaks a rule; the library has counted and logged which.
async fn answer(conn: Conn) {
    let (mut frames, sender) = conn.into_framed();
    while let Ok(Some(frame)) = frames.read_frame().await {
        let answer = format!("{} bytes", frame.len());
        if sender.send(answer.into_bytes().into()).await.is_err() {
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .build()?;
    let addr = transport.listen().await?;
    let client = async {
        let to: Endpoint = format!("tcp://{addr}").parse()?;
        let (mut frames, sender) = transport.dial(&to).await?.into_framed();
        for size in [0, 10, 1 << 20] {
            sender.send(vec![7; size].into()).await?;
            let answer = frames.read_frame().await?.unwrap_or_default();
            println!("{}", String::from_utf8_lossy(&answer));
        }
        drop((frames, sender));
        let report = transport.shutdown(Duration::from_secs(1)).await;
        println!("idle {}, aborted {}", report.closed_idle, report.aborted);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (served, asked) = tokio::join!(transport.serve(answer), client);
    served?;
    asked
}
