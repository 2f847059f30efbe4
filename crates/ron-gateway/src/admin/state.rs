//! Shared state of the admin endpoint.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ron_transport::metrics::Prometheus;
use ron_transport::{Backend, ListenAddr, ReadyReason, ReadyState, Transport};
use serde_json::{json, Value};
use tokio::sync::watch;
use tokio::time::sleep;

use super::history::{self, History};
use super::host::AllowedHosts;
use super::metrics;
use super::render_queue::{RenderQueue, WaitLimit};
use super::status_source::{self, StatusSource};
use crate::sandbox::SandboxReport;
use crate::settings::{AdminAddr, Gateway, Mode};

/// State of the admin endpoint.
pub(crate) struct AdminState {
    prometheus: Prometheus,
    pub(super) addr: AdminAddr,
    pub(super) hosts: AllowedHosts,
    pub(super) show_peers: bool,
    readiness: watch::Receiver<ReadyState>,
    degraded_is_ready: bool,
    backend: Backend,
    mode: Mode,
    listen: ListenAddr,
    since: ReadySince,
    /// Progress of Tor's bootstrap, 0 to 1.
    pub(super) tor_progress: Box<dyn Fn() -> Option<f64> + Send + Sync>,
    pub(super) source: StatusSource,
    sandbox: SandboxReport,
    history: History,
    /// Renderings of `/metrics`, `/status/metrics.json`, `/status/history.json` and `/connections`.
    pub(super) metrics_queue: RenderQueue,
    pub(super) figures_queue: RenderQueue,
    pub(super) history_queue: RenderQueue,
    pub(super) conns_queue: RenderQueue,
}

impl AdminState {
    /// Creates the state for an endpoint and its transport.
    ///
    /// The endpoint is at `addr`, and the transport listens at `listen`.
    pub(crate) fn new(
        addr: AdminAddr,
        gateway: &Gateway,
        prometheus: Prometheus,
        transport: &Arc<Transport>,
        listen: ListenAddr,
        source: StatusSource,
        sandbox: SandboxReport,
    ) -> Self {
        let readiness = transport.readiness();
        let since = ReadySince::now(*readiness.borrow());
        let of_tor = Arc::clone(transport);
        let limit = WaitLimit::new(crate::process::admin_conns());
        Self {
            prometheus,
            addr,
            hosts: AllowedHosts::new(&gateway.admin_hosts),
            show_peers: gateway.show_peers,
            readiness,
            degraded_is_ready: gateway.degraded_is_ready,
            backend: transport.backend(),
            mode: gateway.mode,
            listen,
            since,
            tor_progress: Box::new(move || of_tor.tor_progress()),
            source,
            sandbox,
            history: History::default(),
            metrics_queue: RenderQueue::new(&limit),
            figures_queue: RenderQueue::new(&limit),
            history_queue: RenderQueue::new(&limit),
            conns_queue: RenderQueue::new(&limit),
        }
    }

    /// Returns all metrics in Prometheus' text format.
    pub(super) fn exposition(&self) -> String {
        let own = metrics::render(self.source.figures());
        self.prometheus.render() + &own + &metrics::upstreams(&self.source.upstreams())
    }

    /// Adds a sample to the history every 5 s, indefinitely.
    pub(super) async fn sample(&self) {
        loop {
            self.history
                .add(status_source::unix_seconds(), &self.exposition());
            sleep(history::EVERY).await;
        }
    }

    pub(super) fn history_json(&self) -> Value {
        self.history.json(self.source.started())
    }

    /// Returns readiness, and whether `/readyz` reports it as ready.
    pub(super) fn readiness(&self) -> (ReadyState, bool) {
        let state = *self.readiness.borrow();
        let ready = match state {
            ReadyState::Ready => true,
            ReadyState::Degraded { .. } => self.degraded_is_ready,
            ReadyState::NotReady { .. } => false,
        };
        (state, ready)
    }

    /// Returns `{"state":"degraded","reason":"arti_bootstrap"}`.
    ///
    /// The order is fixed, and no word needs an escape.
    pub(super) fn readiness_json(state: ReadyState) -> String {
        let word = state.state();
        match state.reason() {
            Some(reason) => format!("{{\"state\":\"{word}\",\"reason\":\"{reason}\"}}"),
            None => format!("{{\"state\":\"{word}\"}}"),
        }
    }

    pub(super) fn status_json(&self) -> Value {
        let (state, _) = self.readiness();
        json!({
            "state": state.state(),
            "reason": state.reason().map(ReadyReason::as_str),
            "since": self.since.of(state),
            "version": env!("CARGO_PKG_VERSION"),
            "backend": self.backend.as_str(),
            "mode": self.mode.as_str(),
            // Only this page shows the name of an onion service.
            "listen": match &self.listen {
                ListenAddr::Onion(name) => name.as_str().to_owned(),
                other => other.to_string(),
            },
            "upstreams": self.upstreams_json(),
            "arti_bootstrap_progress": (self.tor_progress)(),
            "sandbox": self.sandbox.json(),
        })
    }

    /// Returns `[{"target":"tcp://a:1","available":true}]`.
    fn upstreams_json(&self) -> Vec<Value> {
        let targets = self.source.upstreams().into_iter();
        targets
            .map(|target| json!({"target": target.target, "available": target.is_available}))
            .collect()
    }

    /// Records the time of readiness changes, indefinitely.
    pub(super) async fn watch(&self) {
        let mut readiness = self.readiness.clone();
        loop {
            let state = *readiness.borrow_and_update();
            self.since.of(state);
            if readiness.changed().await.is_err() {
                // The transport ended: no further change follows.
                return std::future::pending().await;
            }
        }
    }
}

/// The current readiness and the time of its last change.
pub(crate) struct ReadySince(Mutex<(ReadyState, u64)>);

impl ReadySince {
    /// Starts with a state and the current time.
    pub(crate) fn now(state: ReadyState) -> Self {
        Self(Mutex::new((state, unix_seconds())))
    }

    /// Returns the Unix time since which this state holds.
    ///
    /// A new state holds from now on.
    fn of(&self, state: ReadyState) -> u64 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != state {
            *known = (state, unix_seconds());
        }
        known.1
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::config::ActiveConfig;
    use super::*;
    use crate::logging::DroppedLines;
    use crate::pressure::PressureGauge;
    use crate::settings::SandboxMode;
    use crate::startup::Sources;
    use crate::upstream::UpstreamPool;

    const DEGRADED: ReadyState = ReadyState::Degraded {
        reason: ReadyReason::ArtiBootstrap,
    };

    fn state(
        degraded_is_ready: bool,
        readiness: ReadyState,
    ) -> (AdminState, watch::Sender<ReadyState>) {
        let (sender, readiness) = watch::channel(readiness);
        let in_force = ActiveConfig::new(&Sources::default().load().unwrap());
        let transport = Arc::new(Transport::builder().build().unwrap());
        let source = StatusSource::new(
            &transport,
            &Arc::new(UpstreamPool::new(Vec::new())),
            &Arc::new(in_force),
            DroppedLines::default(),
            PressureGauge::default(),
        );
        let gateway = Gateway {
            degraded_is_ready,
            ..Gateway::default()
        };
        let listen = ListenAddr::Ip(([127, 0, 0, 1], 1).into());
        let prometheus = Prometheus::new().unwrap();
        let addr = gateway.admin_addr.clone().unwrap();
        let state = AdminState {
            readiness,
            tor_progress: Box::new(|| Some(0.25)),
            ..AdminState::new(
                addr,
                &gateway,
                prometheus,
                &transport,
                listen,
                source,
                SandboxReport::new(SandboxMode::Try),
            )
        };
        (state, sender)
    }

    #[test]
    fn degraded_is_ready_follows_setting() {
        for ready in [false, true] {
            let (state, sender) = state(ready, DEGRADED);
            assert_eq!(state.readiness(), (DEGRADED, ready));
            sender.send_replace(ReadyState::Ready);
            assert_eq!(state.readiness(), (ReadyState::Ready, true));
            let reason = ReadyReason::Draining;
            sender.send_replace(ReadyState::NotReady { reason });
            assert!(!state.readiness().1);
        }
    }

    #[test]
    fn readiness_has_its_reason() {
        let degraded = r#"{"state":"degraded","reason":"arti_bootstrap"}"#;
        assert_eq!(AdminState::readiness_json(DEGRADED), degraded);
        assert_eq!(
            AdminState::readiness_json(ReadyState::Ready),
            r#"{"state":"ready"}"#
        );
        let (state, _sender) = state(false, DEGRADED);
        let status = state.status_json();
        assert_eq!(
            (&status["state"], &status["reason"]),
            (&json!("degraded"), &json!("arti_bootstrap"))
        );
        assert_eq!(status["arti_bootstrap_progress"], json!(0.25));
    }

    #[test]
    fn since_changes_with_the_state_only() {
        let since = ReadySince(Mutex::new((DEGRADED, 5)));
        assert_eq!(since.of(DEGRADED), 5);
        assert!(since.of(ReadyState::Ready) > 1_700_000_000);
    }
}
