//! The admin endpoint: metrics, health and the status page over HTTP. It has limits of its own, and none of its
//! connections counts as transport traffic.

mod config;
mod live;
mod metrics;
mod page;
mod respond;
mod samples;
mod state;

pub(crate) use config::{shown, InForce};
pub(crate) use live::Live;
pub(crate) use state::{Since, State};

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::exit::Failure;

/// How long a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last.
const LIFETIME: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Pause of the accept loop after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// The bound endpoint.
pub(crate) struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Binds; port 0 takes a free one.
    pub(crate) async fn bind(addr: SocketAddr) -> Result<Self, Failure> {
        let bound = TcpListener::bind(addr).await;
        let listener = bound
            .map_err(|error| Failure::runtime(format!("cannot bind {addr} for admin"), &error))?;
        Ok(Self { listener })
    }

    /// The address it is bound to.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for ever; dropping the future ends every connection of it.
    pub(crate) async fn serve(self, state: Arc<State>) {
        // More wait in the kernel's backlog.
        let max_conns = crate::process::admin_conns();
        let mut conns = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if conns.len() < max_conns => match accepted {
                    Ok((stream, _)) => {
                        conns.spawn(serve_conn(stream, Arc::clone(&state)));
                    }
                    // Out of descriptors, most likely: the reserve is for a few connections.
                    Err(_) => sleep(PAUSE).await,
                },
                Some(_) = conns.join_next() => {}
            }
        }
    }
}

async fn serve_conn(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let response = respond::to(&request, &state);
        async move { Ok::<_, Infallible>(response) }
    });
    let conn = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or breaks the rules is its own affair.
    let _ = timeout(LIFETIME, conn).await;
}
