//! A guard in front of Redis: TLS and limits for its clients.
//!
//! `redis UPSTREAM` relays each client to a target such as `unix:///run/redis/redis.sock`. The
//! environment configures the listener: `RON_TRANSPORT_BIND_ADDR`, `RON_TRANSPORT_BACKEND`,
//! `RON_TRANSPORT_MAX_CONNS`… It drains on SIGTERM.
#![allow(clippy::disallowed_methods)] // This service spawns tasks of its own.

use std::sync::Arc;

use ron_transport::{relay, Config, Conn, Endpoint, Transport, TransportDialer, TransportError};
use tokio::signal::unix::{signal, SignalKind};

/// Relays a client. If Redis fails, the client reads an error and never a cut answer as a whole one.
async fn forward(
    client: Conn,
    dialer: TransportDialer,
    to: Endpoint,
) -> Result<(), TransportError> {
    let control = client.control().clone();
    let upstream = tokio::select! {
        upstream = dialer.dial(&to) => upstream?,
        // The client is gone: its place must not wait for Redis.
        error = control.ended() => return Err(error),
    };
    relay(client, upstream).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let upstream = args.next().ok_or("usage: redis UPSTREAM")?;
    // A misspelled scheme fails here, not with the first client.
    let upstream = Endpoint::parse_built_in(&upstream)?;

    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    println!("listening on {}", transport.listen().await?);

    let dialer = transport.dialer();
    let handler = move |client| forward(client, dialer.clone(), upstream.clone());
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(handler));
    terminate.recv().await;
    let deadline = transport.config().general.drain_timeout();
    let report = transport.shutdown(deadline).await;
    serving.await??;
    println!("aborted {}", report.aborted);
    Ok(())
}
