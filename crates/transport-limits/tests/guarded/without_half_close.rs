//! A relay to a stream whose one direction does not outlive the other.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout, Instant};
use transport_core::Plain;
use transport_limits::{relay_without_half_close, Limits, RelayError, Relayed};
use transport_testkit::MemoryIo;

use crate::harness::{a_chunk_in, rates, Rig};

type Relaying = tokio::task::JoinHandle<Result<Relayed, RelayError>>;

/// A client and a service, joined by a relay.
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
async fn an_answer_after_the_end_of_the_question_comes_whole() {
    let (mut client, mut service, relaying) = joined().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = [0; 8];
    service.read_exact(&mut question).await.unwrap();
    // It takes its time, and goes on for long.
    let answering = tokio::spawn(async move {
        for _ in 0..10 {
            sleep(Duration::from_secs(14)).await;
            // Nobody has told it that the client is done.
            let told = timeout(Duration::ZERO, service.read_u8()).await;
            assert!(told.is_err(), "{told:?}");
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
async fn after_fifteen_silent_seconds_the_end_is_passed_on() {
    let (mut client, mut service, relaying) = joined().await;
    client.shutdown().await.unwrap();
    let begun = Instant::now();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(15) && took < Duration::from_secs(16),
        "{took:?}"
    );
    // Whether or not the service says that it has ended too.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    relaying.await.unwrap().unwrap();
}

/// A client that does not read holds up the answer; that is no silence of the service.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_no_silence() {
    let (mut client, mut service, _relaying) = joined().await;
    client.shutdown().await.unwrap();
    service.write_all(&[7; 100]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let told = timeout(Duration::ZERO, service.read_u8()).await;
    assert!(told.is_err(), "{told:?}");
    let mut answer = [0; 100];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
}

/// What a rate holds back is on its way.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_rate_holds_back_is_no_silence() {
    let (mut client, mut service, relaying) = joined_with(|limits| {
        let mut deadlines = limits.deadlines();
        deadlines.read = Duration::from_secs(100);
        deadlines.write = deadlines.read;
        limits.set_deadlines(deadlines).unwrap();
        let rate = a_chunk_in(limits, Duration::from_secs(60));
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

/// What the service ends is over at once, whether or not the client has.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_answer_is_passed_on_at_once() {
    let (mut client, mut service, relaying) = joined().await;
    service.write_all(b"bye").await.unwrap();
    service.shutdown().await.unwrap();
    let begun = Instant::now();
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"bye");
    relaying.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// A service may have said all before it has heard all.
#[tokio::test(start_paused = true)]
async fn an_answer_comes_whole_where_the_question_finds_nobody_any_more() {
    let (client, mut service, relaying) = joined().await;
    let (mut read, mut write) = tokio::io::split(client);
    service.write_all(&[7; 1000]).await.unwrap();
    service.shutdown().await.unwrap();
    drop(service);
    // Taken by the relay, and by nobody after it.
    write.write_all(b"more and more").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut answer = Vec::new();
    read.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [7; 1000]);
    relaying.await.unwrap().unwrap();
}
