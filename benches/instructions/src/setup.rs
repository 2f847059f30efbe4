//! The limits and the observer of all loads.
//!
//! The gateway has the same.

use std::net::SocketAddr;
use std::sync::Arc;

use transport_core::{Backend, Observer};
use transport_limits::{Limiter, Limits};
use transport_metrics::{MetricsObserver, Prometheus};

/// Returns a limiter with the default limits, and with metrics.
pub(crate) fn limiter() -> Limiter {
    let prometheus = Prometheus::new().unwrap();
    let backends = &[Backend::Tcp, Backend::Tls];
    let observer: Arc<dyn Observer> = Arc::new(MetricsObserver::with_recorder(
        prometheus.recorder(),
        backends,
    ));
    Limiter::new(&Limits::default(), observer).unwrap()
}

/// Returns an address of the loopback interface, with a free port.
pub(crate) fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}
