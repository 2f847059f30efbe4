//! The admin endpoint: metrics, health, open connections and the status page over HTTP.
//!
//! It runs on a thread of its own and has limits of its own, and none of its connections counts as
//! transport traffic. Each connection carries one request: nothing that follows it is parsed.

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

pub(crate) use config::{shown, InForce};
pub(crate) use listener::Bound;
pub(crate) use state::State;
pub(crate) use status_source::Live;
pub(crate) use thread::{AdminThread, Binds};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use conn_slots::{Phase, Places};
use head::Unread;
use listener::{Listener, Stream};
use response::Answer;

/// How long a request's head may take, from accept to its last byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the client may take to receive the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the client may take to close after the answer.
const LINGER: Duration = Duration::from_millis(500);
/// Bytes that are discarded while the client has not closed.
const LINGER_BYTES: usize = 64 * 1024;
/// Pause of the accept loop after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves indefinitely; dropping the future ends every connection of it.
pub(crate) async fn serve(mut listener: Listener, state: Arc<State>) {
    let beside = Arc::clone(&state);
    tokio::join!(
        accept(&mut listener, &state),
        beside.watch(),
        beside.sample()
    );
}

async fn accept(listener: &mut Listener, state: &Arc<State>) {
    let mut places = Places::new(crate::process::admin_conns());
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let of_conn = Arc::clone(state);
                let serve = |phase| serve_conn(stream, of_conn, phase);
                places.take(serve).await;
                state.live.evicted(places.evicted());
            }
            // Out of descriptors, most likely: the reserve is for a few connections.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Reads one request, answers it, and closes.
async fn serve_conn(mut stream: Stream, state: Arc<State>, phase: Phase) {
    let answer = match timeout(HEAD_TIMEOUT, head::read(&mut stream)).await {
        Ok(Ok(head)) => {
            phase.works();
            state.live.asked();
            let answer = routes::to(&head, &state).await;
            if head.method == "HEAD" {
                answer.without_body()
            } else {
                answer
            }
        }
        Ok(Err(Unread::Wrong(answer))) => answer,
        Ok(Err(Unread::Gone)) | Err(_) => return,
    };
    phase.leaves();
    // A client that breaks off loses its own answer.
    if let Ok(Ok(())) = timeout(ANSWER_TIMEOUT, send(&mut stream, &answer)).await {
        let _ = timeout(LINGER, discard(&mut stream)).await;
    }
}

async fn send(stream: &mut Stream, answer: &Answer) -> io::Result<()> {
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await
}

/// Waits for the client's end. A close with unread bytes would reset the connection and destroy the
/// answer on its way.
async fn discard(stream: &mut Stream) {
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        left = match left.checked_sub(read) {
            Some(left) => left,
            None => return,
        };
    }
}
