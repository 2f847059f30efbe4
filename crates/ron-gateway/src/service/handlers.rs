//! Handlers of accepted connections.
//!
//! The transport counts and logs how each connection ends.

use std::sync::Arc;

use ron_transport::limits::Limiter;
use ron_transport::{
    echo, relay, relay_without_half_close, Conn, Endpoint, Io, Transport, TransportDialer,
    TransportError,
};
use tracing::debug;

use crate::logging::TARGET;
use crate::settings::{Gateway, Mode};

/// Accepts and handles connections until the transport stops.
pub(super) async fn serve(transport: &Transport, gateway: &Gateway) -> Result<(), TransportError> {
    match (gateway.mode, &gateway.forward_to) {
        (Mode::Echo, _) => transport.serve(echo_bytes).await,
        (Mode::EchoFrames, _) => transport.serve(echo_frames).await,
        (Mode::Forward, Some(to)) => {
            let forward = Arc::new(Forwarder {
                dialer: transport.dialer(),
                limiter: transport.limiter().clone(),
                to: to.clone(),
            });
            transport
                .serve(move |conn| Arc::clone(&forward).run(conn))
                .await
        }
        (Mode::Forward, None) => Err(TransportError::Config {
            source: "mode forward needs gateway.forward_to".into(),
        }),
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

/// Dials the target for each connection and relays both.
struct Forwarder {
    dialer: TransportDialer,
    limiter: Limiter,
    to: Endpoint,
}

impl Forwarder {
    async fn run(self: Arc<Self>, mut conn: Conn) {
        // Boxed, so that the memory of the dial is freed before the relay.
        let dialing = Box::pin(self.dial(&mut conn));
        let Some(upstream) = dialing.await else {
            return;
        };
        let half_closes = self.to.scheme().half_closes();
        // Release the dialer and the limiter: the relay needs neither.
        drop(self);
        let upstream_id = upstream.control().id();
        let relayed = if half_closes {
            relay(conn, upstream).await
        } else {
            Box::pin(relay_without_half_close(conn, upstream)).await
        };
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

    /// Dials for a client.
    ///
    /// Returns `None` if the dial failed or the client reset.
    async fn dial(&self, conn: &mut Conn) -> Option<Conn> {
        let control = conn.control().clone();
        let _busy = control.busy();
        let dialed = tokio::select! {
            biased;
            dialed = self.dialer.dial(&self.to) => dialed,
            () = conn.wait_reset() => return None,
        };
        match dialed {
            Ok(upstream) => Some(upstream),
            Err(error) => {
                self.limiter.dial_failed(&control, &error);
                None
            }
        }
    }
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
        assert!(bytes <= 768, "{bytes} bytes");
    }
}
