//! Deadlines of connections whose end another task awaits.
//!
//! That task has the only timer of the connection, or of both legs of a relay.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{sleep, Instant};
use transport_core::{Backend, Listener, Op, Pending, TransportError};
use transport_limits::{relay, Guard};
use transport_testkit::MemoryListener;

use crate::harness::{anywhere, assert_took, deadlines, Ours, Rig};

const SECOND: Duration = Duration::from_secs(1);

/// Reads until a deadline ends the connection.
async fn read_ends(conn: &mut Ours) -> Op {
    match TransportError::from(conn.io.read(&mut [0; 1]).await.unwrap_err()) {
        TransportError::Timeout { op } => op,
        other => panic!("no timeout: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_watcher_hands_deadline_to_read() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = 2 * SECOND));
    let (mut ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let start = Instant::now();
    let watching = tokio::spawn(async move { control.ended().await });
    let reading = tokio::spawn(async move { read_ends(&mut ours).await });
    sleep(SECOND).await;
    watching.abort();
    assert_eq!(reading.await.unwrap(), Op::Idle);
    assert_took(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn read_deadline_kept_beside_watcher() {
    let mut rig = Rig::new(|l| deadlines(l, |d| (d.idle, d.read) = (9 * SECOND, 2 * SECOND)));
    let (mut ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    control.expect_read(1);
    let start = Instant::now();
    let watching = tokio::spawn(async move { control.ended().await });
    assert_eq!(read_ends(&mut ours).await, Op::Read);
    assert_took(start.elapsed(), 2 * SECOND);
    watching.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn watcher_ends_waiting_read() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = 2 * SECOND));
    let (mut ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let start = Instant::now();
    let watching = tokio::spawn(async move { control.ended().await });
    tokio::task::yield_now().await;
    assert_eq!(read_ends(&mut ours).await, Op::Idle);
    assert_took(start.elapsed(), 2 * SECOND);
    assert!(matches!(
        watching.await.unwrap(),
        TransportError::Timeout { op: Op::Idle }
    ));
}

/// Returns the lifetime of an idle relay with a watcher.
async fn relay_lasts(idle: Duration, dial_idle: Duration, watched: Duration) -> Duration {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| (d.idle, d.dial_idle) = (idle, Some(dial_idle)));
    });
    let (mut upstream, dialer) = MemoryListener::bind(Backend::Tcp);
    let dialer = Guard::new(dialer, &rig.limiter);
    let (client, _client_peer) = rig.connect().await;
    let control = client.io.control();
    let start = Instant::now();
    let watching = tokio::spawn(async move { control.ended().await });
    tokio::task::yield_now().await;
    let target = anywhere();
    let (dialed, accepted) = tokio::join!(dialer.dial(&target), upstream.accept());
    let _server = accepted.unwrap().establish().await.unwrap();
    let relaying = tokio::spawn(relay(client.io, dialed.unwrap().io));
    tokio::spawn(async move {
        sleep(watched).await;
        watching.abort();
    });
    let failed = relaying.await.unwrap().unwrap_err();
    assert!(
        matches!(failed.error, TransportError::Timeout { op: Op::Idle }),
        "{failed:?}"
    );
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn watcher_ends_either_leg_of_relay() {
    for (idle, dial_idle) in [(2, 2), (2, 5), (5, 2)] {
        let took = relay_lasts(idle * SECOND, dial_idle * SECOND, 60 * SECOND).await;
        assert_took(took, idle.min(dial_idle) * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_watcher_hands_deadlines_to_relay() {
    for (idle, dial_idle) in [(2, 5), (5, 2), (9, 9)] {
        let took = relay_lasts(idle * SECOND, dial_idle * SECOND, SECOND).await;
        assert_took(took, idle.min(dial_idle) * SECOND);
    }
}
