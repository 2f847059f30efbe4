//! The state that a transport shares with its tasks.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use transport_core::Observer;
use transport_limits::Limiter;

use crate::readiness::Readiness;

/// The state that a transport shares with its tasks.
///
/// It does not hold the transport, which can therefore be dropped while tasks run.
pub(crate) struct TransportState {
    pub(crate) limiter: Limiter,
    pub(crate) readiness: Readiness,
    pub(crate) observer: Arc<dyn Observer>,
    /// Cancelled when accepting ends.
    pub(crate) stop: CancellationToken,
    /// Cancelled when every connection and task ends.
    pub(crate) kill: CancellationToken,
    /// Notified when an accept loop has returned or closed the listener.
    pub(crate) released: Notify,
}

impl TransportState {
    pub(crate) fn new(limiter: Limiter, readiness: Readiness, observer: Arc<dyn Observer>) -> Self {
        Self {
            limiter,
            readiness,
            observer,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            released: Notify::new(),
        }
    }
}

impl TransportState {
    /// Returns a span with the name of the transport.
    ///
    /// Without a name there is none. It is for log events of backends, which do not know the name.
    #[cfg(any(feature = "tls", feature = "arti"))]
    pub(crate) fn span(&self) -> tracing::Span {
        let name = self.limiter.name();
        let span = |name| tracing::info_span!(target: "ron_transport", parent: None, "transport", transport = name);
        name.map_or_else(tracing::Span::none, span)
    }
}

impl std::fmt::Debug for TransportState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransportState")
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}
