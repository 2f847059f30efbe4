//! Dials through an exit: bytes, names, failures.

use std::time::Duration;

use tokio::net::TcpListener;
use transport_arti::transport_core::{Dialer, Target};
use transport_arti::IsolationToken;

use crate::rig::{config, failed, pattern, reach, round_trip, shared, skip, started, tcp_echo};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_carries_bytes_and_errors() {
    if skip("exit_carries_bytes_and_errors") {
        return;
    }
    let tor = shared().await;
    let net = started(&config(tor)).await;
    let echo = tcp_echo().await;
    let dialer = net.dialer();
    let to: Target = echo.to_string().parse().unwrap();

    let mut connection = dialer.dial(&to).await.unwrap();
    assert!(connection.info.peer.is_none() && connection.info.local.is_none());
    assert!(connection.info.steps.connect().is_some());
    round_trip(&mut connection.io, &pattern(1 << 20)).await;

    // A stream with a token works as well.
    let isolated = dialer.isolated_by(IsolationToken::unique());
    round_trip(&mut isolated.dial(&to).await.unwrap().io, b"isolated").await;

    for (target, kind, retryable) in [
        // The exit resolves the name and reports the failure.
        ("name.invalid:80".to_owned(), "resolve", true),
        (closed_port().await, "connect", true),
        ("not-an-address.onion:80".to_owned(), "arti_refused", false),
        (
            format!("{}.onion:80", "a".repeat(56)),
            "arti_refused",
            false,
        ),
    ] {
        let error = failed(&dialer, &target.parse().unwrap()).await;
        assert_eq!(error.kind(), kind, "{target}: {error}");
        assert_eq!(error.is_retryable(), retryable, "{target}: {error}");
        let host = target.split(':').next().unwrap();
        assert!(!error.to_string().contains(host), "{error}");
    }
    // Failures of a target do not count against the network.
    let again = reach(&dialer, &to).await;
    drop(again);
    assert!(net.shutdown(Duration::from_secs(5)).await);
}

async fn closed_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap().to_string()
}
