//! Log events of connections, in one form. Rejects are sampled: the first of each reason in a
//! second is logged with the number that was not since the last one. So are closes above 100 in a
//! second.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, error, info, warn};
use transport_core::escape::escape;
use transport_core::{
    Backend, CloseReason, ConnInfo, Direction, KeyExchange, PeerAddr, Reason, Target, TlsErrorKind,
    TransportError,
};

use crate::clock::{duration, SECOND};
use crate::conn_state::ConnState;

/// The target of every event.
pub(crate) const TARGET: &str = "ron_transport";

#[derive(Debug, Default)]
pub(crate) struct LogEvents {
    rejects: [EventSampler; Reason::ALL.len()],
    failed_dials: EventSampler,
    hook_panics: EventSampler,
    closes: EventSampler<CLOSES_PER_SEC>,
}

/// Closes that are logged in a second: a log line costs a good part of a short connection.
const CLOSES_PER_SEC: u64 = 100;

/// Who was rejected, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConnLabels<'a> {
    pub(crate) conn_id: Option<u64>,
    pub(crate) corr_id: Option<&'a str>,
    pub(crate) peer: Option<PeerAddr>,
}

/// Lets the first events of each second through.
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
    /// `Some` with the number of events that were not logged since the last one.
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
    pub(crate) fn reject(
        &self,
        now: u64,
        reason: Reason,
        backend: Backend,
        who: ConnLabels<'_>,
        error: Option<&TransportError>,
    ) {
        let Some(not_logged) = self.rejects[reason.index()].next(now) else {
            return;
        };
        warn!(
            target: TARGET,
            event = "reject",
            backend = backend.as_str(),
            reason = reason.as_str(),
            conn_id = who.conn_id,
            corr_id = who.corr_id.map(|id| tracing::field::display(escape(id))),
            peer = who.peer.and_then(|peer| peer.loggable()),
            not_logged,
            tls = tls(error),
            error = error.map(tracing::field::display),
        );
    }

    /// The admission hook panicked, and its peer was refused.
    pub(crate) fn hook_panicked(&self, now: u64, backend: Backend) {
        let Some(not_logged) = self.hook_panics.next(now) else {
            return;
        };
        error!(
            target: TARGET,
            event = "admit",
            backend = backend.as_str(),
            not_logged,
            error = "the admission hook panicked; the peer is refused as `denied`",
        );
    }

    /// A dial's end, with the target where it may be named, and never an onion name; failures are
    /// sampled as rejects are.
    pub(crate) fn dialed(
        &self,
        now: u64,
        backend: Backend,
        to: Option<&Target>,
        took: std::time::Duration,
        result: Result<&ConnInfo, &TransportError>,
    ) {
        let to = to.filter(|to| !to.is_onion());
        let to = to.map(tracing::field::display);
        let (backend, duration_ms) = (backend.as_str(), millis(took));
        match result {
            Ok(info) => debug!(
                target: TARGET,
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
}

pub(crate) fn accepted(backend: Backend, conn_id: u64, peer: PeerAddr) {
    debug!(
        target: TARGET,
        event = "accept",
        backend = backend.as_str(),
        conn_id,
        peer = peer.loggable(),
    );
}

pub(crate) fn established(info: &ConnInfo, took: std::time::Duration) {
    debug!(
        target: TARGET,
        event = "handshake",
        backend = info.backend.as_str(),
        conn_id = info.id,
        duration_ms = millis(took),
        alpn = alpn(info),
        kx = info.kx.map(KeyExchange::as_str),
    );
}

pub(crate) fn handshake_failed(
    backend: Backend,
    conn_id: u64,
    took: std::time::Duration,
    error: &TransportError,
) {
    debug!(
        target: TARGET,
        event = "handshake",
        backend = backend.as_str(),
        conn_id,
        duration_ms = millis(took),
        reason = error.kind().as_str(),
        tls = tls(Some(error)),
        error = %error,
    );
}

pub(crate) fn closed(conn: &ConnState, reason: CloseReason, error: Option<&str>) {
    let now = conn.limiter.now();
    let Some(not_logged) = conn.limiter.events().closes.next(now) else {
        return;
    };
    info!(
        target: TARGET,
        event = "close",
        backend = conn.backend.as_str(),
        conn_id = conn.id,
        corr_id = conn.corr_id().map(|id| tracing::field::display(escape(id))),
        reason = reason.as_str(),
        duration_ms = millis(duration(now.saturating_sub(conn.born))),
        bytes_in = conn.total(Direction::In),
        bytes_out = conn.total(Direction::Out),
        peer = conn.peer_addr.and_then(|peer| peer.loggable()),
        not_logged = (not_logged != 0).then_some(not_logged),
        error,
    );
}

/// The end of a connection before its handshake began.
pub(crate) fn closed_early(
    backend: Backend,
    who: ConnLabels<'_>,
    took: std::time::Duration,
    reason: CloseReason,
    error: &TransportError,
) {
    debug!(
        target: TARGET,
        event = "close",
        backend = backend.as_str(),
        conn_id = who.conn_id,
        reason = reason.as_str(),
        duration_ms = millis(took),
        bytes_in = 0_u64,
        bytes_out = 0_u64,
        peer = who.peer.and_then(|peer| peer.loggable()),
        error = %error,
    );
}

/// The kind of a TLS failure, beside the reason `tls`.
fn tls(error: Option<&TransportError>) -> Option<&'static str> {
    let kind = error.and_then(TransportError::tls_kind);
    kind.map(TlsErrorKind::as_str)
}

fn alpn(info: &ConnInfo) -> Option<String> {
    let alpn = info.alpn.as_deref()?;
    Some(escape(alpn).to_string())
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
