//! Log events of connections.
//!
//! Rejects are sampled: the first of each reason in a second is logged, with the number not logged
//! since the last one. So are failed dials, and closes above 100 in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{debug, error, info, warn};
use transport_core::escape::escape;
use transport_core::{
    Backend, CloseReason, ConnInfo, KeyExchange, PeerAddr, Proxied, Reason, Target, TlsErrorKind,
    TransportError, TransportName,
};

use crate::clock::SECOND;

/// The target of every event.
pub(crate) const TARGET: &str = "ron_transport";

#[derive(Debug, Default)]
pub(crate) struct LogEvents {
    /// The value of the field `transport`, which events without a name lack.
    name: Option<TransportName>,
    rejects: [EventSampler; Reason::ALL.len()],
    failed_dials: EventSampler,
    hook_panics: EventSampler,
    closes: EventSampler<CLOSES_PER_SEC>,
}

/// Most closes logged in a second. Logging is a large part of a short connection's cost.
const CLOSES_PER_SEC: u64 = 100;

/// The log fields that identify a connection, as far as known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConnLabels<'a> {
    pub(crate) conn_id: Option<u64>,
    pub(crate) corr_id: Option<&'a str>,
    pub(crate) peer: Option<PeerAddr>,
    /// The hop that announced the peer.
    pub(crate) via: Option<PeerAddr>,
}

/// A closed connection, as its log event shows it.
#[derive(Debug)]
pub(crate) struct ClosedConn<'a> {
    pub(crate) backend: Backend,
    pub(crate) labels: ConnLabels<'a>,
    pub(crate) reason: CloseReason,
    pub(crate) age: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// The failure in words, where the reason does not name it.
    pub(crate) error: Option<&'a str>,
}

/// Passes the first events of each second.
#[derive(Debug, Default)]
struct EventSampler<const PER_SEC: u64 = 1> {
    /// The second of the last logged event, plus one.
    second: AtomicU64,
    /// Events logged in that second.
    logged: AtomicU64,
    /// Events not logged since.
    skipped: AtomicU64,
}

impl<const PER_SEC: u64> EventSampler<PER_SEC> {
    /// Returns the events skipped before this one, or `None` to skip it.
    fn next(&self, now: u64) -> Option<u64> {
        let second = now / SECOND + 1;
        let seen = self.second.load(Ordering::Relaxed);
        let swap = |seen| {
            self.second
                .compare_exchange(seen, second, Ordering::Relaxed, Ordering::Relaxed)
        };
        if seen != second && swap(seen).is_ok() {
            self.logged.store(1, Ordering::Relaxed);
            return Some(self.skipped.swap(0, Ordering::Relaxed));
        }
        if PER_SEC > 1 && self.logged.fetch_add(1, Ordering::Relaxed) < PER_SEC {
            return Some(0);
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl LogEvents {
    pub(crate) fn new(name: Option<TransportName>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Returns the value of the field `transport`.
    pub(crate) fn transport(&self) -> Option<&str> {
        self.name.as_ref().map(TransportName::as_str)
    }

    pub(crate) fn reject(
        &self,
        now: u64,
        reason: Reason,
        backend: Backend,
        conn: ConnLabels<'_>,
        error: Option<&TransportError>,
    ) {
        let Some(not_logged) = self.rejects[reason.index()].next(now) else {
            return;
        };
        warn!(
            target: TARGET,
            transport = self.transport(),
            event = "reject",
            backend = backend.as_str(),
            reason = reason.as_str(),
            conn_id = conn.conn_id,
            corr_id = conn.corr_id.map(|id| tracing::field::display(escape(id))),
            peer = loggable(conn.peer),
            via = loggable(conn.via),
            not_logged,
            tls = tls(error),
            error = error.map(tracing::field::display),
        );
    }

    /// Logs a panic of the admission hook, which refused its peer.
    pub(crate) fn hook_panicked(&self, now: u64, backend: Backend) {
        let Some(not_logged) = self.hook_panics.next(now) else {
            return;
        };
        error!(
            target: TARGET,
            transport = self.transport(),
            event = "admit",
            backend = backend.as_str(),
            not_logged,
            error = "admission hook panicked; peer refused as `denied`; fix the hook",
        );
    }

    /// Logs the end of a dial; failures are sampled.
    ///
    /// `to` is `None` if the backend is private. Onion names are never logged.
    pub(crate) fn dialed(
        &self,
        now: u64,
        backend: Backend,
        to: Option<&Target>,
        took: Duration,
        result: Result<&ConnInfo, &TransportError>,
    ) {
        let to = to.filter(|to| !to.is_onion());
        let to = to.map(tracing::field::display);
        let (backend, duration_ms) = (backend.as_str(), millis(took));
        match result {
            Ok(info) => debug!(
                target: TARGET,
                transport = self.transport(),
                event = "dial",
                backend,
                conn_id = info.id,
                to,
                duration_ms,
                alpn = alpn(info),
                kx = info.kx.map(KeyExchange::as_str),
            ),
            Err(error) => {
                let Some(not_logged) = self.failed_dials.next(now) else {
                    return;
                };
                warn!(
                    target: TARGET,
                    transport = self.transport(),
                    event = "dial",
                    backend,
                    to,
                    duration_ms,
                    reason = error.kind().as_str(),
                    not_logged,
                    tls = tls(Some(error)),
                    error = %error,
                );
            }
        }
    }

    /// Logs the close of a connection, up to 100 in a second.
    pub(crate) fn closed(&self, now: u64, conn: &ClosedConn<'_>) {
        let Some(not_logged) = self.closes.next(now) else {
            return;
        };
        let labels = &conn.labels;
        info!(
            target: TARGET,
            transport = self.transport(),
            event = "close",
            backend = conn.backend.as_str(),
            conn_id = labels.conn_id,
            corr_id = labels.corr_id.map(|id| tracing::field::display(escape(id))),
            reason = conn.reason.as_str(),
            duration_ms = millis(conn.age),
            bytes_in = conn.bytes_in,
            bytes_out = conn.bytes_out,
            peer = loggable(labels.peer),
            via = loggable(labels.via),
            not_logged = (not_logged != 0).then_some(not_logged),
            error = conn.error,
        );
    }

    pub(crate) fn accepted(&self, backend: Backend, conn: ConnLabels<'_>) {
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "accept",
            backend = backend.as_str(),
            conn_id = conn.conn_id,
            peer = loggable(conn.peer),
            via = loggable(conn.via),
        );
    }

    pub(crate) fn established(&self, info: &ConnInfo, took: Duration) {
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "handshake",
            backend = info.backend.as_str(),
            conn_id = info.id,
            duration_ms = millis(took),
            alpn = alpn(info),
            kx = info.kx.map(KeyExchange::as_str),
        );
        if let Some(facts) = &info.proxied {
            self.proxied(info, facts);
        }
    }

    /// Logs the facts that the hop announced. The peer may control some of the texts.
    fn proxied(&self, info: &ConnInfo, facts: &Proxied) {
        let text = |text: &Option<Box<str>>| text.as_deref().map(|text| escape(text).to_string());
        let tls = facts.tls.as_ref();
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "proxy",
            backend = info.backend.as_str(),
            conn_id = info.id,
            corr_id = facts.unique_id_text(),
            peer = loggable(info.peer),
            via = loggable(facts.via),
            version = facts.version.as_str(),
            to = facts.destination().map(tracing::field::display),
            authority = text(&facts.authority),
            alpn = facts.alpn.as_deref().map(|alpn| escape(alpn).to_string()),
            tls_version = tls.and_then(|tls| text(&tls.version)),
            tls_cipher = tls.and_then(|tls| text(&tls.cipher)),
            tls_cn = tls.and_then(|tls| text(&tls.common_name)),
            tls_verified = tls.map(|tls| tls.verified),
        );
    }

    pub(crate) fn handshake_failed(
        &self,
        backend: Backend,
        conn_id: u64,
        took: Duration,
        error: &TransportError,
    ) {
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "handshake",
            backend = backend.as_str(),
            conn_id,
            duration_ms = millis(took),
            reason = error.kind().as_str(),
            tls = tls(Some(error)),
            error = %error,
        );
    }

    /// Logs the handshake of an upgrade, such as to TLS.
    pub(crate) fn upgraded(&self, info: &ConnInfo, took: Duration) {
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "upgrade",
            backend = info.backend.as_str(),
            conn_id = info.id,
            duration_ms = millis(took),
            alpn = alpn(info),
            kx = info.kx.map(KeyExchange::as_str),
        );
    }

    /// Logs a connection that its peer closed during the handshake.
    pub(crate) fn closed_early(
        &self,
        backend: Backend,
        conn: ConnLabels<'_>,
        took: Duration,
        reason: CloseReason,
        error: &TransportError,
    ) {
        debug!(
            target: TARGET,
            transport = self.transport(),
            event = "close",
            backend = backend.as_str(),
            conn_id = conn.conn_id,
            reason = reason.as_str(),
            duration_ms = millis(took),
            bytes_in = 0_u64,
            bytes_out = 0_u64,
            peer = loggable(conn.peer),
            via = loggable(conn.via),
            error = %error,
        );
    }
}

fn loggable(peer: Option<PeerAddr>) -> Option<String> {
    peer.and_then(|peer| peer.loggable())
}

/// Returns the kind of a TLS failure, which details the reason `tls`.
fn tls(error: Option<&TransportError>) -> Option<&'static str> {
    let kind = error.and_then(TransportError::tls_kind);
    kind.map(TlsErrorKind::as_str)
}

fn alpn(info: &ConnInfo) -> Option<String> {
    let alpn = info.alpn.as_deref()?;
    Some(escape(alpn).to_string())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
