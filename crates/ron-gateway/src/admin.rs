//! The admin endpoint over HTTP: metrics, health, connections and status page.
//!
//! It runs on a thread of its own with limits of its own, and its connections do not count as
//! transport traffic. Each connection carries one request; later bytes are never parsed.

mod config;
mod conn_slots;
mod connections;
mod head;
mod history;
mod host;
mod listener;
mod metrics;
mod page;
mod render_queue;
mod response;
mod routes;
mod samples;
mod state;
mod status_source;
mod thread;

pub(crate) use config::{shown, ActiveConfig};
pub(crate) use listener::BoundAdmin;
pub(crate) use state::AdminState;
pub(crate) use status_source::StatusSource;
pub(crate) use thread::{AdminBinder, AdminThread};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use conn_slots::{ConnSlots, RequestPhase};
use head::HeadError;
use listener::{AdminListener, AdminStream};
use response::Response;

/// Deadline of the request head, from accept to its last byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Deadline of the client to receive the response.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Deadline of the client to close after the response.
const LINGER: Duration = Duration::from_millis(500);
/// Bytes to discard until the client closes.
const LINGER_BYTES: usize = 64 * 1024;
/// Pause of the accept loop after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves indefinitely; dropping the future closes all connections.
pub(crate) async fn serve(mut listener: AdminListener, state: Arc<AdminState>) {
    let beside = Arc::clone(&state);
    tokio::join!(
        accept(&mut listener, &state),
        beside.watch(),
        beside.sample()
    );
}

async fn accept(listener: &mut AdminListener, state: &Arc<AdminState>) {
    let mut slots = ConnSlots::new(crate::process::admin_conns());
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let of_conn = Arc::clone(state);
                let serve = |phase| serve_conn(stream, of_conn, phase);
                slots.take(serve).await;
                state.source.set_evicted(slots.evicted());
            }
            // Most likely out of descriptors: the reserve covers few connections.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Reads one request, sends its response, and closes.
async fn serve_conn(mut stream: AdminStream, state: Arc<AdminState>, phase: RequestPhase) {
    let answer = match timeout(HEAD_TIMEOUT, head::read(&mut stream)).await {
        Ok(Ok(head)) => {
            phase.handling();
            state.source.count_request();
            let answer = routes::to(&head, &state).await;
            if head.method == "HEAD" {
                answer.without_body()
            } else {
                answer
            }
        }
        Ok(Err(HeadError::Wrong(answer))) => answer,
        Ok(Err(HeadError::Gone)) | Err(_) => return,
    };
    phase.sending();
    // A send error concerns only this client.
    if let Ok(Ok(())) = timeout(ANSWER_TIMEOUT, send(&mut stream, &answer)).await {
        let _ = timeout(LINGER, discard(&mut stream)).await;
    }
}

async fn send(stream: &mut AdminStream, answer: &Response) -> io::Result<()> {
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await
}

/// Waits for the end of the client.
///
/// Closing with unread bytes would reset the connection and destroy the response in flight.
async fn discard(stream: &mut AdminStream) {
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        left = match left.checked_sub(read) {
            Some(left) => left,
            None => return,
        };
    }
}
