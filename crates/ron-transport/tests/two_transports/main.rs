//! Two transports in one process: public TLS and private Unix socket.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]
#![cfg(all(feature = "tls", feature = "uds", feature = "prometheus"))]

mod edge;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use edge::Edge;
use ron_transport::{
    Backend, Config, Deadlines, Limiter, Limits, ReadyReason, ReadyState, Reason, ReloadError,
    Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn capped(conns: u64) -> Limits {
    Limits::new().with_max_conns(conns).unwrap()
}

async fn stopped_beside_ready() {
    let edge = Edge::new(Limits::new()).await;
    let (tls, mut uds) = (
        edge.over_tls().await.unwrap(),
        edge.over_uds().await.unwrap(),
    );
    assert_eq!(edge.readiness(), [2.0, 2.0]);
    drop(tls);
    let report = edge.public.shutdown(Duration::from_secs(5)).await;
    assert_eq!(report.aborted, 0);
    assert_eq!(edge.readiness(), [0.0, 2.0]);
    let stopped = ReadyState::NotReady {
        reason: ReadyReason::Stopped,
    };
    assert_eq!(*edge.public.readiness().borrow(), stopped);
    assert_eq!(*edge.private.readiness().borrow(), ReadyState::Ready);
    // The open connection of the other one, and new ones.
    uds.write_all(b"y").await.unwrap();
    assert_eq!(uds.read_u8().await.unwrap(), b'y');
    assert!(edge.over_uds().await.is_some());
    assert!(edge.over_tls().await.is_none());
    let expiry = "tls_certificate_expiry_timestamp_seconds";
    assert!(edge.metric(&format!("{expiry}{{transport=\"public\"}}")) > 0.0);
    assert_eq!(
        edge.metric(&format!("{expiry}{{transport=\"private\"}}")),
        0.0
    );
    let stops = "transport_readiness_transitions_total";
    let stops = |name| {
        edge.metric(&format!(
            "{stops}{{transport=\"{name}\",state=\"not_ready\",reason=\"stopped\"}}"
        ))
    };
    assert_eq!([stops("public"), stops("private")], [1.0, 0.0]);
}

#[tokio::test]
async fn one_stops_other_serves() {
    stopped_beside_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stops_other_serves_on_threads() {
    stopped_beside_ready().await;
}

#[tokio::test]
async fn cap_over_the_sum_without_leak() {
    let edge = Edge::new(capped(3)).await;
    let _tls = edge.over_tls().await.unwrap();
    let (_first, second) = (
        edge.over_uds().await.unwrap(),
        edge.over_uds().await.unwrap(),
    );
    assert!(edge.over_tls().await.is_none() && edge.over_uds().await.is_none());
    for (events, backend) in edge.events.iter().zip([Backend::Tls, Backend::Uds]) {
        events
            .wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1)
            .await;
        let peers = events.snapshot().peers;
        assert!(
            matches!(peers, Some((of, 2, 2)) if of == backend),
            "{peers:?}"
        );
    }
    assert_eq!(edge.shared.admitted(), 3);
    // The public transport ends with an open connection: its place is free again.
    edge.public.shutdown(Duration::ZERO).await;
    assert_eq!(edge.shared.admitted(), 2);
    let _third = edge.over_uds().await.unwrap();
    assert!(edge.over_uds().await.is_none());
    drop(second);
    edge.events[1]
        .wait_for("a free place", |s| s.inflight() == 2)
        .await;
    assert!(edge.over_uds().await.is_some());
    edge.private.shutdown(Duration::from_secs(5)).await;
    assert_eq!((edge.shared.admitted(), edge.shared.pending()), (0, 0));
    for events in &edge.events {
        assert_eq!(events.inflight(), 0);
    }
}

/// A pending handshake does not delay the drain of the other transport.
#[tokio::test]
async fn drain_beside_pending_handshake() {
    let edge = Edge::new(Limits::new()).await;
    let _silent = tokio::net::TcpStream::connect(edge.addr).await.unwrap();
    edge.events[0]
        .wait_for("a handshake", |s| s.accepts() == 1)
        .await;
    assert_eq!(edge.shared.admitted(), 1);
    let report = edge.private.shutdown(Duration::from_secs(5)).await;
    assert!(report.took < Duration::from_secs(4), "{report:?}");
    assert_eq!((report.finished, report.aborted), (0, 0), "{report:?}");
    let report = edge.public.shutdown(Duration::ZERO).await;
    assert_eq!(report.aborted, 1, "{report:?}");
}

#[tokio::test]
async fn dropped_transport_frees_its_places() {
    let mut edge = Edge::new(capped(1)).await;
    let held = edge.over_tls().await.unwrap();
    assert!(edge.over_uds().await.is_none());
    for serving in edge.serving.drain(..1) {
        serving.abort();
        let _ = serving.await;
    }
    edge.public = Arc::clone(&edge.private);
    edge.events[0]
        .wait_for("the end", |s| s.inflight() == 0)
        .await;
    assert_eq!(edge.readiness(), [0.0, 2.0]);
    assert!(edge.over_uds().await.is_some());
    drop(held);
}

#[tokio::test]
async fn reload_keeps_shared_ceilings() {
    let edge = Edge::new(capped(2000)).await;
    let config = |set: fn(&mut Limits)| {
        let mut config = Config::clone(&edge.private.config());
        set(&mut config.limits);
        config
    };
    // Deadlines are own.
    let idle = config(|l| {
        let idle = Deadlines::default().with_idle(Duration::from_secs(7));
        l.set_deadlines(idle).unwrap();
    });
    let report = edge.private.reload(idle).unwrap();
    assert_eq!(report.applied, ["idle_timeout"]);
    assert_eq!(
        edge.public.config().limits.deadlines(),
        Deadlines::default()
    );
    // Caps are not.
    let error = edge.private.reload(config(|l| {
        l.set_max_conns(5).unwrap();
    }));
    let error = error.unwrap_err();
    assert!(matches!(error, ReloadError::Invalid(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("max_conns: is 5 here and 2000"),
        "{error}"
    );
    // The owner changes them for both; then the configuration may repeat them.
    edge.shared.apply(&capped(5)).unwrap();
    for transport in [&edge.public, &edge.private] {
        assert_eq!(transport.config().limits.max_conns(), 5);
    }
    let report = edge.private.reload(config(|_| ())).unwrap();
    assert_eq!(report.applied, Vec::<&str>::new());
    assert_eq!(edge.shared.limits().max_conns(), 5);
}

#[tokio::test]
async fn settings_beside_shared_ceilings() {
    let shared = Limiter::builder().limits(capped(2000)).build().unwrap();
    let other = Transport::builder().limiter(&shared).limits(capped(7));
    let error = other.build().unwrap_err().to_string();
    assert!(error.contains("max_conns: is 7 here and 2000"), "{error}");
    let same = Transport::builder().limiter(&shared).limits(capped(2000));
    assert!(same.build().is_ok());
}
