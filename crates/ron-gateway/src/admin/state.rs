//! Shared state of the admin endpoint.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ron_transport::metrics::Prometheus;
use ron_transport::{ListenAddr, ReadyReason, ReadyState};
use serde_json::{json, Value};
use tokio::time::sleep;

use super::history::{self, History};
use super::host::AllowedHosts;
use super::metrics;
use super::render_queue::{RenderQueue, WaitLimit};
use super::samples;
use super::status_source::{self, StatusSource};
use crate::sandbox::SandboxReport;
use crate::service::RunningListener;
use crate::settings::{AdminAddr, GatewayProcess};

/// State of the admin endpoint.
pub(crate) struct AdminState {
    prometheus: Prometheus,
    pub(super) addr: AdminAddr,
    pub(super) hosts: AllowedHosts,
    pub(super) show_peers: bool,
    degraded_is_ready: bool,
    since: ReadySince,
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
    /// Creates the state for an endpoint at `addr`.
    pub(crate) fn new(
        addr: AdminAddr,
        gateway: &GatewayProcess,
        prometheus: Prometheus,
        source: StatusSource,
        sandbox: SandboxReport,
    ) -> Self {
        let since = ReadySince::now(source.listeners.readiness());
        let limit = WaitLimit::new(crate::process::admin_conns());
        Self {
            prometheus,
            addr,
            hosts: AllowedHosts::new(&gateway.admin_hosts),
            show_peers: gateway.show_peers,
            degraded_is_ready: gateway.degraded_is_ready,
            since,
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
        let listeners = self.source.listeners.all();
        let mut text = self.prometheus.render();
        if self.source.listeners.are_named() {
            let names: Vec<_> = listeners.iter().filter_map(|one| one.name()).collect();
            text = samples::of_transports(&text, &names);
        }
        let own = metrics::render(self.source.figures());
        let targets = listeners.iter().map(|one| (one.name(), one.upstreams()));
        text + &own + &metrics::upstreams(targets)
    }

    /// Adds a sample to the history every 5 s, indefinitely.
    pub(super) async fn sample(&self) {
        loop {
            let exposition = samples::without_transport(&self.exposition());
            self.history.add(status_source::unix_seconds(), &exposition);
            sleep(history::EVERY).await;
        }
    }

    pub(super) fn history_json(&self) -> Value {
        self.history.json(self.source.started())
    }

    /// Returns readiness, and whether `/readyz` reports it as ready.
    pub(super) fn readiness(&self) -> (ReadyState, bool) {
        let state = self.source.listeners.readiness();
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
        let listeners = self.source.listeners.all();
        let listeners: Vec<Value> = listeners.iter().map(|one| listener_json(one)).collect();
        // Without names there is one.
        let first = listeners.first().cloned().unwrap_or_default();
        json!({
            "state": state.state(),
            "reason": state.reason().map(ReadyReason::as_str),
            "since": self.since.of(state),
            "version": env!("CARGO_PKG_VERSION"),
            "backend": first["backend"],
            "mode": first["mode"],
            "listen": first["listen"],
            "listeners": listeners,
            "arti_bootstrap_progress": self.source.listeners.tor_progress(),
            "sandbox": self.sandbox.json(),
        })
    }

    /// Records the time of readiness changes, indefinitely.
    pub(super) async fn watch(&self) {
        let mut readiness = self.source.listeners.watch_readiness();
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

/// Returns the state of one listener; `name` is null without `[listeners.NAME]`.
fn listener_json(one: &RunningListener) -> Value {
    let state = one.readiness();
    let addrs = one.addrs().into_iter();
    // Only this page shows the name of an onion service.
    let addrs: Vec<String> = addrs
        .map(|addr| match addr {
            ListenAddr::Onion(name) => name.as_str().to_owned(),
            other => other.to_string(),
        })
        .collect();
    let targets = one.upstreams().into_iter();
    let targets: Vec<Value> = targets
        .map(|target| json!({"target": target.target, "available": target.is_available}))
        .collect();
    json!({
        "name": one.name(),
        "state": state.state(),
        "reason": state.reason().map(ReadyReason::as_str),
        "backend": one.transport.backend().as_str(),
        "mode": one.mode().as_str(),
        "listen": addrs.first(),
        "addresses": addrs,
        "upstreams": targets,
    })
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
    use std::sync::Arc;

    use ron_transport::Transport;

    use super::super::config::ActiveConfig;
    use super::*;
    use crate::logging::DroppedLines;
    use crate::pressure::PressureGauge;
    use crate::service::Listeners;
    use crate::settings::SandboxMode;
    use crate::startup::Sources;

    const DEGRADED: ReadyState = ReadyState::Degraded {
        reason: ReadyReason::ArtiBootstrap,
    };

    fn state(degraded_is_ready: bool) -> (AdminState, Arc<Transport>) {
        let effective = Sources::default().load().unwrap();
        let in_force = ActiveConfig::new(&effective);
        // Without an address, so that it is ready at once.
        let transport = Arc::new(Transport::builder().build().unwrap());
        let plan = effective.plans().remove(0);
        let one = RunningListener::new(Arc::clone(&transport), false, plan);
        let source = StatusSource::new(
            &Listeners::new(vec![Arc::new(one)], None),
            &Arc::new(in_force),
            DroppedLines::default(),
            PressureGauge::default(),
            Vec::new(),
        );
        let gateway = GatewayProcess {
            degraded_is_ready,
            ..GatewayProcess::default()
        };
        let prometheus = Prometheus::new().unwrap();
        let addr = gateway.admin_addr.clone().unwrap();
        let report = SandboxReport::new(SandboxMode::Try);
        let state = AdminState::new(addr, &gateway, prometheus, source, report);
        (state, transport)
    }

    #[tokio::test]
    async fn degraded_is_ready_follows_setting() {
        for ready in [false, true] {
            let (state, transport) = state(ready);
            assert_eq!(state.readiness(), (ReadyState::Ready, true));
            transport.set_upstream_down(true);
            let reason = ReadyReason::Upstream;
            assert_eq!(state.readiness(), (ReadyState::Degraded { reason }, ready));
            transport.stop_accepting().await;
            assert!(!state.readiness().1);
        }
    }

    #[tokio::test]
    async fn readiness_has_its_reason() {
        let degraded = r#"{"state":"degraded","reason":"arti_bootstrap"}"#;
        assert_eq!(AdminState::readiness_json(DEGRADED), degraded);
        assert_eq!(
            AdminState::readiness_json(ReadyState::Ready),
            r#"{"state":"ready"}"#
        );
        let (state, transport) = state(false);
        transport.set_upstream_down(true);
        let status = state.status_json();
        for of_one in [&status, &status["listeners"][0]] {
            assert_eq!(
                (&of_one["state"], &of_one["reason"]),
                (&json!("degraded"), &json!("upstream"))
            );
        }
    }

    #[test]
    fn since_changes_with_the_state_only() {
        let since = ReadySince(Mutex::new((DEGRADED, 5)));
        assert_eq!(since.of(DEGRADED), 5);
        assert!(since.of(ReadyState::Ready) > 1_700_000_000);
    }
}
