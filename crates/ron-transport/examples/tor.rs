//! Dials over Tor, in process: `cargo run --features arti --example tor -- example.org:80`.
//!
//! With amnesia, Tor keeps its state in memory. `RON_TRANSPORT_*` variables set other keys, such
//! as `RON_TRANSPORT_ARTI_BOOTSTRAP_TIMEOUT`.

use std::time::Duration;

use ron_transport::{Config, Endpoint, ErrorKind, ReadyState, Target, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1);
    let target = target.as_deref().unwrap_or("example.org:80");
    let Target::Host { host, port } = target.parse()? else {
        return Err("expected host:port".into());
    };
    let to = Endpoint::tor(&host, port)?;

    let defaults = "[transport]\namnesia = true\narti.bootstrap_timeout = '60s'";
    let loader = Config::loader().toml_str_below(defaults, "the example's defaults");
    let config = loader.env_from_process().load()?.into_settings();
    let transport = Transport::builder().config(config).build()?;

    // Readiness covers the target: `Ready` means that a circuit to it can be built.
    let mut readiness = transport.readiness();
    transport.prepare_for(&to).await?;
    loop {
        let state = *readiness.borrow_and_update();
        println!("tor: {state}");
        match state {
            ReadyState::Degraded { .. } => readiness.changed().await?,
            ReadyState::Ready | ReadyState::NotReady { .. } => break,
        }
    }

    // A Tor target is hidden in logs.
    println!("dialing {}", to.loggable());
    match transport.dial(&to).await {
        Ok(mut conn) => {
            let request = format!("HEAD / HTTP/1.0\r\nHost: {host}\r\n\r\n");
            conn.write_all(request.as_bytes()).await?;
            conn.flush().await?;
            let mut answer = String::new();
            conn.read_to_string(&mut answer).await?;
            println!("{}", answer.lines().next().unwrap_or_default());
        }
        Err(error) if error.kind() == ErrorKind::ArtiBootstrap => {
            println!("refused: {} ({error})", error.kind());
        }
        Err(error) => return Err(error.into()),
    }
    transport.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
