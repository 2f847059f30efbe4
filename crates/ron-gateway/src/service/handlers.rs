//! Handlers of accepted connections.
//!
//! The transport counts and logs how each connection ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use ron_transport::limits::Limiter;
use ron_transport::{
    echo, relay, relay_without_half_close, Conn, Endpoint, Io, RelayError, Relayed, Transport,
    TransportDialer,
};
use tokio_util::either::Either;
use tracing::{debug, Instrument, Span};

use crate::logging::TARGET;
use crate::settings::{ListenerService, Mode};
use crate::upstream::UpstreamPool;

/// The service of a listener. A reload changes it for later connections.
pub(super) struct ConnHandler {
    mode: Mutex<Mode>,
    forwarder: Arc<Forwarder>,
    pub(super) upstreams: Arc<UpstreamPool>,
}

/// The handling of one connection. Boxed, so that an echo does not have the size of a relay.
pub(super) type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

impl ConnHandler {
    pub(super) fn new(transport: &Transport, service: &ListenerService) -> Self {
        let upstreams = Arc::new(UpstreamPool::new(service.targets().to_vec()));
        Self {
            mode: Mutex::new(service.mode),
            forwarder: Arc::new(Forwarder {
                dialer: transport.dialer(),
                limiter: transport.limiter().clone(),
                upstreams: Arc::clone(&upstreams),
            }),
            upstreams,
        }
    }

    /// Changes mode and targets; targets that stay keep their state.
    pub(super) fn set_service(&self, service: &ListenerService) {
        self.upstreams.replace(service.targets().to_vec());
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = service.mode;
    }

    pub(super) fn handle(&self, conn: Conn) -> Handling {
        let mode = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            Mode::Echo => Box::pin(echo_bytes(conn)),
            Mode::EchoFrames => Box::pin(echo_frames(conn)),
            Mode::Forward => Box::pin(Arc::clone(&self.forwarder).run(conn)),
        }
    }
}

async fn echo_bytes(conn: Conn) {
    let (bytes, error) = match echo(conn).await {
        Ok(bytes) => (bytes, None),
        Err(failed) => (failed.relayed.a_to_b, Some(failed.error)),
    };
    debug!(
        target: TARGET,
        event = "echo",
        bytes,
        error = error.map(tracing::field::display),
    );
}

async fn echo_frames(conn: Conn) {
    let (mut frames, sender) = conn.into_framed();
    let mut count: u64 = 0;
    let end = loop {
        match frames.read_frame().await {
            Ok(Some(frame)) => {
                if let Err(error) = sender.send(frame).await {
                    break Err(error);
                }
                count += 1;
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    debug!(
        target: TARGET,
        event = "echo",
        frames = count,
        error = end.err().map(tracing::field::display),
    );
}

/// Dials a target for each connection and relays both.
struct Forwarder {
    dialer: TransportDialer,
    limiter: Limiter,
    upstreams: Arc<UpstreamPool>,
}

impl Forwarder {
    /// Returns the future of one connection.
    ///
    /// An `async fn` would store the connection twice.
    fn run(self: Arc<Self>, conn: Conn) -> impl Future<Output = ()> + Send {
        // Boxed, so that the memory of the dial is freed before the relay, which needs neither the
        // dialer nor the limiter.
        let span = dial_span(&conn);
        let dialing = Box::pin(self.dial(conn).instrument(span));
        async move {
            let Some(dialed) = dialing.await else {
                return;
            };
            let (upstream_id, relaying) = dialed.relay();
            log_relay(upstream_id, relaying.await);
        }
    }

    /// Dials for a client.
    ///
    /// Returns `None` if the dial failed or the client reset.
    async fn dial(self: Arc<Self>, mut conn: Conn) -> Option<DialedPair> {
        let control = conn.control().clone();
        let _busy = control.busy();
        let client = control.info();
        let dialer = &self.dialer;
        let dial = |target: Arc<Endpoint>| async move { dialer.dial_for(&*target, client).await };
        let dialed = tokio::select! {
            biased;
            dialed = self.upstreams.dial(self.limiter.dial_timeout(), dial) => dialed,
            () = conn.wait_reset() => return None,
        };
        match dialed {
            Ok((upstream, target)) => Some(DialedPair {
                client: conn,
                upstream,
                target,
            }),
            Err(error) => {
                self.limiter.dial_failed(&control, &error);
                None
            }
        }
    }
}

/// Returns the span of a dial, with the fields of its client.
///
/// Below `debug` the connection has no span.
fn dial_span(conn: &Conn) -> Span {
    tracing::info_span!(
        target: TARGET,
        "dial",
        transport = conn.control().transport(),
        conn_id = conn.control().id(),
        backend = conn.info().backend.as_str(),
    )
}

/// A client and the connection to its target.
struct DialedPair {
    client: Conn,
    upstream: Conn,
    target: Arc<Endpoint>,
}

impl DialedPair {
    /// Returns the number of the upstream connection, and the relay.
    fn relay(
        self,
    ) -> (
        u64,
        impl Future<Output = Result<Relayed, RelayError>> + Send,
    ) {
        let Self {
            client,
            upstream,
            target,
        } = self;
        let upstream_id = upstream.control().id();
        let relaying = if target.scheme().half_closes() {
            Either::Left(relay(client, upstream))
        } else {
            Either::Right(Box::pin(relay_without_half_close(client, upstream)))
        };
        (upstream_id, relaying)
    }
}

fn log_relay(upstream_id: u64, relayed: Result<Relayed, RelayError>) {
    let (bytes, error) = match relayed {
        Ok(bytes) => (bytes, None),
        Err(failed) => (failed.relayed, Some(failed)),
    };
    debug!(
        target: TARGET,
        event = "relay",
        upstream_id,
        to_upstream = bytes.a_to_b,
        to_client = bytes.b_to_a,
        error = error.map(tracing::field::display),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of_future<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// Each idle pair holds this future.
    ///
    /// So it must not contain the dial.
    #[test]
    fn forwarding_future_is_small() {
        let bytes = bytes_of_future(Forwarder::run);
        assert!(bytes <= 256, "{bytes} bytes");
    }
}
