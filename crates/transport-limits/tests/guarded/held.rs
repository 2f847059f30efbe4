//! A relay to a stream whose one direction does not outlive the other.

use std::time::Duration;

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout, Instant};
use transport_limits::{relay_held, Relayed};

/// A client and a service, joined by a relay.
fn joined() -> (DuplexStream, DuplexStream, tokio::task::JoinHandle<Relayed>) {
    let (client, a) = duplex(64);
    let (b, service) = duplex(64);
    (client, service, tokio::spawn(relay_held(a, b)))
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_end_of_the_question_comes_whole() {
    let (mut client, mut service, relaying) = joined();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = [0; 8];
    service.read_exact(&mut question).await.unwrap();
    // It takes its time, and goes on for long.
    let answering = tokio::spawn(async move {
        for _ in 0..10 {
            sleep(Duration::from_secs(4)).await;
            // Nobody has told it that the client is done.
            let told = timeout(Duration::ZERO, service.read_u8()).await;
            assert!(told.is_err(), "{told:?}");
            service.write_all(&[7; 100]).await.unwrap();
        }
    });
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [7; 1000]);
    answering.await.unwrap();
    let relayed = relaying.await.unwrap();
    relayed.end.unwrap();
    assert_eq!((relayed.a_to_b, relayed.b_to_a), (8, 1000));
}

#[tokio::test(start_paused = true)]
async fn after_five_silent_seconds_the_end_is_passed_on() {
    let (mut client, mut service, relaying) = joined();
    client.shutdown().await.unwrap();
    let begun = Instant::now();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_secs(6),
        "{took:?}"
    );
    drop(service);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    relaying.await.unwrap().end.unwrap();
}

/// A client that does not read holds up the answer; that is no silence of the service.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_no_silence() {
    let (mut client, mut service, _relaying) = joined();
    client.shutdown().await.unwrap();
    service.write_all(&[7; 100]).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let told = timeout(Duration::ZERO, service.read_u8()).await;
    assert!(told.is_err(), "{told:?}");
    let mut answer = [0; 100];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
}

/// What the service ends is ended at once.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_answer_is_passed_on_at_once() {
    let (mut client, mut service, relaying) = joined();
    service.write_all(b"bye").await.unwrap();
    service.shutdown().await.unwrap();
    let begun = Instant::now();
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"bye");
    client.shutdown().await.unwrap();
    assert_eq!(service.read(&mut [0]).await.unwrap(), 0);
    relaying.await.unwrap().end.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
