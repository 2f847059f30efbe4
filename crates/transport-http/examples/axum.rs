//! An axum service over TCP, TLS or a Unix socket.
//!
//! It drains on SIGTERM. Configuration comes from the environment: `RON_TRANSPORT_BIND_ADDR`,
//! `RON_TRANSPORT_BACKEND`.

use std::sync::Arc;

use axum::{extract::Path, extract::Request, routing::get, Router};
use ron_transport::{Config, Transport};
use tokio::signal::unix::{signal, SignalKind};
use transport_http::{serve_http, ConnDetails, ServeOptions};

/// Answers after this many milliseconds.
async fn slept(Path(ms): Path<u64>) -> String {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    format!("slept {ms}\n")
}

/// Answers with the names of the client's certificate.
async fn who(request: Request) -> String {
    let conn = request.extensions().get::<ConnDetails>();
    format!("{:?}\n", conn.map(|conn| conn.identity.names()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/sleep/{ms}", get(slept))
        .route("/who", get(who))
        .route("/echo", axum::routing::post(|body: String| async { body }));

    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    println!("listening on {}", transport.listen().await?);

    let server = serve_http(transport.incoming()?, app, ServeOptions::of(&transport));
    let drain = async {
        terminate.recv().await;
        let deadline = transport.config().general.drain_timeout();
        transport.shutdown(deadline).await
    };
    let ((), report) = tokio::join!(server, drain);
    println!("aborted {}", report.aborted);
    Ok(())
}
