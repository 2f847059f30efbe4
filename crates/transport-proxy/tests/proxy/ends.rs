//! Health checks, silent hops, and hops that leave.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{CloseReason, Op, ProxyResult, ProxyVersion, Reason, TransportError};

use crate::rig::{read_all, trusting, Rig, LOOPBACK};

const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
const TIMEOUT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn bare_connect_is_no_reject() {
    let mut rig = Rig::trusted().await;
    let hop = rig.connect(&[]).await;
    let admitted = rig.accept().await;
    drop(hop);
    let error = admitted.establish().await.unwrap_err();
    assert!(matches!(error, TransportError::Closed), "{error}");
    let seen = rig.recorder.snapshot();
    assert_eq!(seen.all_rejected(), 0);
    assert_eq!(seen.proxy_headers, [(None, ProxyResult::Closed)]);
    assert_eq!(rig.recorder.closes(CloseReason::Eof), 1);
}

#[tokio::test]
async fn reset_before_header_is_no_reject() {
    let mut rig = Rig::trusted().await;
    let hop = rig.connect(&[]).await;
    let admitted = rig.accept().await;
    hop.set_zero_linger().unwrap();
    drop(hop);
    admitted.establish().await.unwrap_err();
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
    assert_eq!(rig.recorder.closes(CloseReason::Reset), 1);
}

#[tokio::test]
async fn local_then_close_is_no_reject() {
    let mut rig = Rig::trusted().await;
    let (established, mut hop) = rig.establish(LOCAL).await;
    let mut conn = established.unwrap();
    hop.shutdown().await.unwrap();
    assert!(read_all(&mut conn.io).await.is_empty());
    drop(conn);
    let seen = rig.recorder.snapshot();
    assert_eq!(seen.all_rejected(), 0);
    let expected = (Some(ProxyVersion::V2), ProxyResult::NoAddress);
    assert_eq!(seen.proxy_headers, [expected]);
}

#[tokio::test]
async fn end_inside_header_is_one_reject() {
    let mut rig = Rig::trusted().await;
    let mut hop = rig.connect(b"PROXY TCP4 ").await;
    let admitted = rig.accept().await;
    hop.shutdown().await.unwrap();
    let error = admitted.establish().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Proxy));
    assert!(error.to_string().contains("after 11 bytes"), "{error}");
    assert_eq!(rig.recorder.rejected(Reason::Proxy), 1);
}

async fn silent(bytes: &[u8]) {
    let mut config = trusting(&[LOOPBACK]);
    config.set_header_timeout(TIMEOUT).unwrap();
    let mut rig = Rig::new(config, |_| ()).await;
    let started = Instant::now();
    let (established, mut hop) = rig.establish(bytes).await;
    let error = established.unwrap_err();
    assert!(
        matches!(
            error,
            TransportError::Timeout {
                op: Op::ProxyHeader
            }
        ),
        "{error}"
    );
    let took = started.elapsed();
    assert!(took >= TIMEOUT - Duration::from_millis(5), "{took:?}");
    assert!(took < TIMEOUT * 10, "{took:?}");
    assert_eq!(rig.recorder.rejected(Reason::Timeout), 1);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 1);
    let (_, result) = rig.recorder.snapshot().proxy_headers[0];
    assert_eq!(result, ProxyResult::Timeout);
    assert_eq!((rig.limiter.admitted(), rig.limiter.pending()), (0, 0));
    assert!(matches!(hop.read(&mut [0]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn silent_hop_ends_at_header_timeout() {
    silent(b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_header_ends_at_its_timeout() {
    silent(&LOCAL[..15]).await;
    silent(b"PROXY TCP4 192.0.2.1 ").await;
}

#[tokio::test]
async fn handshake_timeout_bounds_the_header() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits| {
        let mut deadlines = limits.deadlines();
        deadlines.handshake = TIMEOUT;
        limits.set_deadlines(deadlines).unwrap();
    })
    .await;
    let started = Instant::now();
    let (established, _hop) = rig.establish(b"").await;
    assert!(established.is_err());
    assert!(started.elapsed() < TIMEOUT * 10);
}

/// The accept loop does not wait for a hop.
#[tokio::test]
async fn silent_hop_delays_no_other() {
    let mut rig = Rig::trusted().await;
    let _silent = rig.connect(b"").await;
    let waiting = rig.accept().await;
    assert!(waiting.may_wait());
    let (established, _hop) = rig.establish(&crate::rig::line("192.0.2.1")).await;
    established.unwrap();
    assert_eq!(rig.limiter.pending(), 1, "the silent one waits");
}
