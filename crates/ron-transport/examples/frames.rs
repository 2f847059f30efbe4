//! Frames instead of bytes: the server answers each frame with its length.

use std::time::Duration;

use ron_transport::{Conn, Transport, TransportError};

async fn answer(conn: Conn) -> Result<(), TransportError> {
    let (mut frames, sender) = conn.into_framed();
    while let Some(frame) = frames.read_frame().await? {
        let answer = format!("{} bytes", frame.len());
        sender.send(answer.into()).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .build()?;
    let addr = transport.listen().await?;
    let client = async {
        let conn = transport.dial(format!("tcp://{addr}")).await?;
        let (mut frames, sender) = conn.into_framed();
        for size in [0, 10, 1 << 20] {
            sender.send(vec![7; size].into()).await?;
            let answer = frames.read_frame().await?.unwrap_or_default();
            println!("{}", String::from_utf8_lossy(&answer));
            assert_eq!(answer, format!("{size} bytes"));
        }
        drop((frames, sender));
        let report = transport.shutdown(Duration::from_secs(1)).await;
        println!("aborted {}", report.aborted);
        assert_eq!(report.aborted, 0);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (served, asked) = tokio::join!(transport.serve(answer), client);
    served?;
    asked
}
