//! The smallest service: guarded echo.
//!
//! It listens on 127.0.0.1:9444, or on the address of the first argument.

use ron_transport::{echo, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let addr = std::env::args().nth(1);
    let addr = addr.as_deref().unwrap_or("127.0.0.1:9444").parse()?;
    let transport = Transport::builder().bind_addr(addr).build()?;
    println!("echo on {}", transport.listen().await?);
    transport.serve(echo).await?;
    Ok(())
}
