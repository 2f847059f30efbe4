//! Figures and settings of the status page that change at run time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ron_transport::limits::Limiter;
use serde_json::{json, Value};
use tokio::runtime::Handle;

use super::config::ActiveConfig;
use super::connections;
use super::metrics::ServiceFigures;
use super::samples;
use crate::logging::DroppedLines;
use crate::pressure::PressureGauge;
use crate::service::Listeners;

/// The running listeners and their configuration.
pub(crate) struct StatusSource {
    pub(super) listeners: Listeners,
    in_force: Arc<ActiveConfig>,
    /// Start in Unix seconds with fraction, which identifies the process.
    started: f64,
    dropped: DroppedLines,
    /// Number of requests to the admin endpoint.
    requests: AtomicU64,
    evicted: AtomicU64,
    pressure: PressureGauge,
    runtimes: Vec<Handle>,
}

impl StatusSource {
    /// Records the current time as the start.
    pub(crate) fn new(
        listeners: &Listeners,
        in_force: &Arc<ActiveConfig>,
        dropped: DroppedLines,
        pressure: PressureGauge,
        runtimes: Vec<Handle>,
    ) -> Self {
        Self {
            listeners: listeners.clone(),
            in_force: Arc::clone(in_force),
            started: unix_seconds(),
            dropped,
            requests: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            pressure,
            runtimes,
        }
    }

    /// Counts a complete request.
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the total number of evicted admin connections.
    pub(super) fn set_evicted(&self, total: u64) {
        self.evicted.store(total, Ordering::Relaxed);
    }

    /// Returns the service's own figures and the active caps.
    pub(super) fn figures(&self) -> ServiceFigures {
        let limits = self.listeners.limits();
        ServiceFigures {
            conns: limits.max_conns(),
            peer_conns: limits.peer_max_conns(),
            started: self.started,
            log_lines_dropped: self.dropped.total(),
            admin_requests: self.requests.load(Ordering::Relaxed),
            admin_evicted: self.evicted.load(Ordering::Relaxed),
            memory_pressure: self.pressure.ratio(),
            tasks: self.runtimes.iter().map(alive_tasks).sum(),
        }
    }

    /// Returns the time, counts and metrics for the status page.
    ///
    /// These are the current time, the start, accepted connections, peers near their cap (`null`
    /// without a cap) and the metrics of `exposition`.
    pub(super) fn metrics_json(&self, exposition: &str) -> Value {
        let near = near_cap(self.figures().peer_conns);
        let limiter = self.listeners.limiter();
        json!({
            "now": unix_seconds(),
            "started": self.started,
            "accepted": limiter.as_ref().map(Limiter::admitted),
            "peers_near_cap": near.zip(limiter).map(|(conns, all)| all.peers_with_at_least(conns)),
            "metrics": samples::json(&samples::without_transport(exposition)),
        })
    }

    /// Returns the start in Unix seconds.
    pub(super) const fn started(&self) -> f64 {
        self.started
    }

    pub(super) fn connections_json(&self, after: u64, show_peers: bool) -> Value {
        connections::json(&self.listeners, after, show_peers)
    }

    /// Cancels a connection; returns whether it existed.
    pub(super) fn cancel(&self, id: u64) -> bool {
        self.listeners.cancel(id)
    }

    pub(super) fn config_json(&self) -> Value {
        self.in_force.json()
    }
}

/// Returns the number of tasks that have not ended.
fn alive_tasks(runtime: &Handle) -> usize {
    runtime.metrics().num_alive_tasks()
}

/// Returns the number of connections that is near a cap: four fifths.
fn near_cap(cap: u64) -> Option<usize> {
    let near = cap.saturating_mul(4).div_ceil(5);
    (cap > 0).then(|| usize::try_from(near).unwrap_or(usize::MAX))
}

/// Returns the current Unix time in seconds, with fraction.
pub(super) fn unix_seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_cap_is_four_fifths_rounded_up() {
        assert_eq!(
            [0, 1, 5, 6, 20].map(near_cap),
            [None, Some(1), Some(4), Some(5), Some(16)]
        );
    }
}
