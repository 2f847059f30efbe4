//! A relay to a stream without half-close.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout, Instant};
use transport_core::Plain;
use transport_limits::{relay_without_half_close, Limits, RelayError, Relayed};
use transport_testkit::MemoryIo;

use crate::harness::{chunk_in, rates, Rig};

type Relaying = tokio::task::JoinHandle<Result<Relayed, RelayError>>;

/// Returns a client and a service, joined by a relay.
async fn joined() -> (DuplexStream, MemoryIo, Relaying) {
    joined_with(|_| ()).await
}

async fn joined_with(tune: impl FnOnce(&mut Limits)) -> (DuplexStream, MemoryIo, Relaying) {
    let (client, a) = duplex(64);
    let (ours, service) = Rig::new(tune).connect().await;
    let relaying = tokio::spawn(async move { relay_without_half_close(Plain(a), ours.io).await });
    (client, service.io, relaying)
}

#[tokio::test(start_paused = true)]
async fn answer_after_end_of_question_complete() {
    let (mut client, mut service, relaying) = joined().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = [0; 8];
    service.read_exact(&mut question).await.unwrap();
    // The answer comes slowly.
    let answering = tokio::spawn(async move {
        for _ in 0..10 {
            sleep(Duration::from_secs(14)).await;
            // The end of the client is still withheld.
            let read = timeout(Duration::ZERO, service.read_u8()).await;
            assert!(read.is_err(), "{read:?}");
            service.write_all(&[7; 100]).await.unwrap();
        }
        service.shutdown().await.unwrap();
    });
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [7; 1000]);
    answering.await.unwrap();
    let relayed = relaying.await.unwrap().unwrap();
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (8, 1000));
}

#[tokio::test(start_paused = true)]
async fn end_forwarded_after_fifteen_silent_seconds() {
    let (mut client, mut service, relaying) = joined().await;
    client.shutdown().await.unwrap();
    let begun = Instant::now();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(15) && took < Duration::from_secs(16),
        "{took:?}"
    );
    // The service does not have to send its own end of stream.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    relaying.await.unwrap().unwrap();
}

/// A client that does not read delays the answer.
#[tokio::test(start_paused = true)]
async fn untaken_answer_is_not_silence() {
    let (mut client, mut service, _relaying) = joined().await;
    client.shutdown().await.unwrap();
    service.write_all(&[7; 100]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let read = timeout(Duration::ZERO, service.read_u8()).await;
    assert!(read.is_err(), "{read:?}");
    let mut answer = [0; 100];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn throttled_answer_is_not_silence() {
    let (mut client, mut service, relaying) = joined_with(|limits| {
        let mut deadlines = limits.deadlines();
        deadlines.read = Duration::from_secs(100);
        deadlines.write = deadlines.read;
        limits.set_deadlines(deadlines).unwrap();
        let rate = chunk_in(limits, Duration::from_secs(60));
        rates(limits, |rates| rates.per_conn = rate);
    })
    .await;
    client.shutdown().await.unwrap();
    service.write_all(&[7; 16 << 10]).await.unwrap();
    service.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.len(), 16 << 10);
    relaying.await.unwrap().unwrap();
}

/// The end of the service ends the relay at once.
#[tokio::test(start_paused = true)]
async fn end_of_answer_forwarded_at_once() {
    let (mut client, mut service, relaying) = joined().await;
    service.write_all(b"bye").await.unwrap();
    service.shutdown().await.unwrap();
    let begun = Instant::now();
    let mut text = Vec::new();
    client.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"bye");
    relaying.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// A service may close before it has read all bytes.
#[tokio::test(start_paused = true)]
async fn response_delivered_after_peer_write_error() {
    let (client, mut service, relaying) = joined().await;
    let (mut read, mut write) = tokio::io::split(client);
    service.write_all(&[7; 1000]).await.unwrap();
    service.shutdown().await.unwrap();
    drop(service);
    // Only the relay reads these bytes.
    write.write_all(b"more and more").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut answer = Vec::new();
    read.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [7; 1000]);
    relaying.await.unwrap().unwrap();
}
