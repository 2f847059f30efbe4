//! A WebSocket service on axum: echoes messages; drains on SIGTERM.
//!
//! An upgraded connection keeps the limits of the transport, `idle_timeout` for example.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::Extension;
use axum::{routing::get, Router};
use ron_transport::{Config, Transport};
use tokio::signal::unix::{signal, SignalKind};
use transport_http::{serve_http, ConnDetails, ServeOptions};

/// Echoes messages until the client closes or the transport drains.
async fn echo(mut socket: WebSocket, conn: ConnDetails) {
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            () = conn.control().draining() => break,
        }
    }
    let _ = socket.send(Message::Close(None)).await;
    // The client answers with a close frame of its own.
    while let Some(Ok(_)) = socket.recv().await {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let upgrade = |Extension(conn): Extension<ConnDetails>, upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(|socket| echo(socket, conn))
    };
    let app = Router::new().route("/echo", get(upgrade));

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
