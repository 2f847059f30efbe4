//! The smallest service: guarded echo. Metrics go to whatever recorder is installed; here, none.

use ron_transport::{echo, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:9444".parse()?)
        .build()?;
    println!("echo on {}", transport.listen().await?);
    transport
        .serve(|conn| async move { drop(echo(conn).await) })
        .await?;
    Ok(())
}
