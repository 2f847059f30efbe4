//! `axum::serve` over TCP, TLS or a Unix socket.
//!
//! It drains on SIGTERM. Request heads have no deadline: `serve_http` is the server for public
//! addresses.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::{extract::ConnectInfo, extract::Path, routing::get, Router};
use ron_transport::{Config, Transport};
use tokio::signal::unix::{signal, SignalKind};
use transport_http::ConnDetails;

/// Answers after this many milliseconds.
async fn slept(Path(ms): Path<u64>) -> String {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    format!("slept {ms}\n")
}

/// Answers with the names of the client's certificate.
async fn who(ConnectInfo(conn): ConnectInfo<ConnDetails>) -> String {
    format!("{:?}\n", conn.identity.names())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new()
        .route("/sleep/{ms}", get(slept))
        .route("/who", get(who))
        .into_make_service_with_connect_info::<ConnDetails>();

    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    println!("listening on {}", transport.listen().await?);

    let listener = transport_http::axum::listener(&transport)?;
    let draining = listener.draining();
    let server = axum::serve(listener, app).with_graceful_shutdown(draining);
    let drain = async {
        terminate.recv().await;
        let deadline = transport.config().general.drain_timeout();
        transport.shutdown(deadline).await
    };
    let (served, report) = tokio::join!(server.into_future(), drain);
    served?;
    println!("aborted {}", report.aborted);
    Ok(())
}
