//! Log events at the level `debug`, and of a failed hook.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use transport_core::{Connection, Dialer, PeerAddr, Reason, TransportError};
use transport_testkit::{Handshake, MemoryIo};

use crate::events::Log;
use crate::harness::{anywhere, Rig};

const SLOW: Duration = Duration::from_millis(250);

/// Returns the only line of an event, which has these parts.
fn only(log: &Log, event: &str, parts: &[&str]) -> String {
    let lines = log.lines(event);
    assert_eq!(lines.len(), 1, "{event}: {lines:?}");
    for part in parts {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    lines[0].clone()
}

#[tokio::test(start_paused = true)]
async fn accept_and_handshake_are_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Takes(SLOW));
    let (ours, _peer) = rig.connect().await;
    let id = format!("conn_id={} ", ours.info.id);
    only(
        &log,
        "event=accept",
        &["backend=tcp ", &id, "peer=127.0.0.1:40000 "],
    );
    let parts = ["backend=tcp ", &id, "duration_ms=250 "];
    let line = only(&log, "event=handshake", &parts);
    assert!(!line.contains("error="), "{line}");
}

#[tokio::test(start_paused = true)]
async fn failed_handshake_is_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Fails);
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    let admitted = rig.guard.accept().await;
    let id = format!("conn_id={} ", admitted.id());
    admitted.establish().await.unwrap_err();
    let parts = [&*id, "reason=tls ", "tls=other ", "chosen to fail"];
    only(&log, "event=handshake", &parts);
    only(&log, "event=reject", &[&*id, "reason=tls "]);
}

#[tokio::test(start_paused = true)]
async fn close_before_handshake_is_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    rig.dialer = rig.dialer.clone().accept_side(Handshake::Unbegun);
    let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
    let admitted = rig.guard.accept().await;
    let id = format!("conn_id={} ", admitted.id());
    admitted.establish().await.unwrap_err();
    only(
        &log,
        "event=close",
        &[&*id, "reason=eof ", "peer=127.0.0.1:40000 ", "bytes_in=0 "],
    );
    assert_eq!(log.count("event=reject"), 0);
}

#[tokio::test(start_paused = true)]
async fn upgrade_is_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    let (ours, _peer) = rig.connect().await;
    let id = format!("conn_id={} ", ours.info.id);
    let handshake = |raw: Connection<_>| async move {
        tokio::time::sleep(SLOW).await;
        let (io, info) = raw.into_parts();
        let mut info = (*info).clone();
        info.alpn = Some(b"h2"[..].into());
        Ok::<_, TransportError>(Connection::new(io, info))
    };
    let upgraded = ours.io.upgrade(|raw, _| handshake(raw)).await.unwrap();
    only(
        &log,
        "event=upgrade",
        &["backend=tcp ", &id, "duration_ms=250 ", "alpn=h2"],
    );
    drop(upgraded);
}

#[tokio::test(start_paused = true)]
async fn panic_of_hook_refuses_and_is_logged() {
    let (log, _guard) = Log::capture();
    let mut rig = Rig::new(|_| {});
    let bad = PeerAddr::Ip(([192, 0, 2, 1], 1).into());
    rig.limiter.set_admit(move |peer| {
        assert!(peer != bad, "on purpose");
        transport_limits::Decision::Allow
    });
    let good = rig.dialer.clone();
    rig.dialer = good.clone().from_peer(bad);
    let recorder = rig.recorder.clone();
    for refused in 1..=2 {
        let _peer = rig.dialer.dial(&anywhere()).await.unwrap();
        tokio::select! {
            _ = rig.guard.accept() => panic!("admitted"),
            () = recorder.wait_for("a refusal", |s| s.rejected(Reason::Denied) == refused) => {}
        }
    }
    // The second one in the same second is not logged.
    only(
        &log,
        "event=admit",
        &["backend=tcp ", "not_logged=0 ", "panicked"],
    );
    rig.dialer = good;
    let (mut ours, peer) = rig.connect().await;
    drop::<Connection<MemoryIo>>(peer);
    assert_eq!(ours.io.read(&mut [0; 1]).await.unwrap(), 0);
}
