//! A drain, and a process that is stopped and continued.

use std::sync::Arc;
use std::time::Duration;

use ron_transport::limits::ByteRates;
use ron_transport::{Conn, Limits, PeerAddr, Target, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};
use transport_core::{Backend, Dialer};
use transport_testkit::MemoryListener;

const CHUNK: usize = 4 << 10;
/// Time of a chunk at the byte rate.
const CHUNK_TIME: Duration = Duration::from_secs(2);

/// Between the stops the answer advances, and waits for tokens again.
#[tokio::test(start_paused = true)]
async fn throttled_answer_survives_two_stops() {
    let mut limits = Limits::default();
    limits.set_chunk_bytes(CHUNK as u64).unwrap();
    let per_conn = CHUNK as u64 / CHUNK_TIME.as_secs();
    let rates = ByteRates::default().with_per_conn(per_conn);
    limits.set_rates(rates).unwrap();
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let raw = raw.from_peer(PeerAddr::Other(3));
    let builder = Transport::builder().raw_listener("vsock", listener);
    let transport = Arc::new(builder.limits(limits).build().unwrap());
    transport.listen().await.unwrap();
    let answer = |mut conn: Conn| async move {
        conn.write_all(&[7; 4 * CHUNK]).await.unwrap();
    };
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(answer));
    let target = Target::host("memory", 1).unwrap();
    let mut client = raw.dial(&target).await.unwrap();
    sleep(CHUNK_TIME / 4).await;
    let draining = Arc::clone(&transport);
    let draining = tokio::spawn(async move { draining.shutdown(30 * CHUNK_TIME).await });
    sleep(CHUNK_TIME / 4).await;
    for _ in 0..2 {
        advance(2 * CHUNK_TIME).await;
        // Tasks run, and time stands still.
        for _ in 0..20 {
            yield_now().await;
        }
    }
    let mut got = Vec::new();
    client.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), 4 * CHUNK, "the answer was cut");
    let report = draining.await.unwrap();
    assert_eq!((report.finished, report.closed_idle), (1, 0));
    serving.await.unwrap().unwrap();
}

/// A request during the stop is read before the next look.
#[tokio::test(start_paused = true)]
async fn request_during_stop_is_answered() {
    /// Just below the interval between two looks of a drain.
    const ALMOST_A_LOOK: Duration = Duration::from_millis(19);
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("vsock", listener);
    let transport = Arc::new(builder.build().unwrap());
    transport.listen().await.unwrap();
    let echo = |conn: Conn| async move { drop(ron_transport::echo(conn).await) };
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let target = Target::host("memory", 1).unwrap();
    let mut client = raw.dial(&target).await.unwrap();
    client.io.write_all(b"1").await.unwrap();
    client.io.read_exact(&mut [0; 1]).await.unwrap();
    let draining = Arc::clone(&transport);
    let draining = tokio::spawn(async move { draining.shutdown(Duration::from_secs(60)).await });
    sleep(Duration::from_millis(10)).await;
    let control = transport.connections().remove(0);
    while !control.is_idle() {
        sleep(Duration::from_millis(1)).await;
    }
    // One look has found it idle, and the next one is due.
    sleep(ALMOST_A_LOOK).await;
    advance(Duration::from_secs(10)).await;
    client.io.write_all(b"2").await.unwrap();
    let mut rest = Vec::new();
    client.io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"2", "answered, and then ended in order");
    let report = draining.await.unwrap();
    assert_eq!((report.finished, report.closed_idle), (0, 1));
    serving.await.unwrap().unwrap();
}
