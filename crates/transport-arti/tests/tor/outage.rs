//! Readiness while the network is absent, fails and returns.

use std::time::Duration;

use ron_tornet::{TorNet, TorNetError};
use tokio::time::{timeout, Instant};
use transport_arti::transport_core::{
    Dialer, ReadyReason, ReadyState, Reason, Target, TransportError,
};
use transport_arti::ArtiNet;

use crate::rig::{
    becomes, config, reach, round_trip, shared, skip, start, started, tcp_echo, LONG,
};

const READY: ReadyState = ReadyState::Ready;
const DEGRADED: ReadyState = ReadyState::Degraded {
    reason: ReadyReason::ArtiBootstrap,
};
const LATE: ReadyState = ReadyState::NotReady {
    reason: ReadyReason::ArtiBootstrapTimeout,
};

/// Starts a network for one test, which interrupts it.
async fn own_network() -> TorNet {
    let start = tokio::task::spawn_blocking(TorNet::start);
    start.await.unwrap().unwrap()
}

fn control(net: &TorNet, action: fn(&TorNet) -> Result<(), TorNetError>) {
    tokio::task::block_in_place(|| action(net).unwrap());
}

/// Records every published state with its time.
fn record_states(net: &ArtiNet) -> tokio::task::JoinHandle<Vec<(ReadyState, Duration)>> {
    let mut readiness = net.readiness();
    let started = Instant::now();
    let mut record = vec![(*readiness.borrow_and_update(), Duration::ZERO)];
    tokio::spawn(async move {
        while readiness.changed().await.is_ok() {
            record.push((*readiness.borrow_and_update(), started.elapsed()));
        }
        record
    })
}

fn states(record: &[(ReadyState, Duration)]) -> Vec<ReadyState> {
    record.iter().map(|(state, _)| *state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_degraded_then_ready() {
    if skip("start_degraded_then_ready") {
        return;
    }
    let tor = shared().await;
    let echo: Target = tcp_echo().await.to_string().parse().unwrap();
    let mut took = Vec::new();
    for _ in 0..20 {
        let (net, recorder) = start(&config(tor)).await;
        let record = record_states(&net);
        becomes(&net, READY, LONG).await;
        // A dial works at once.
        let mut connection = timeout(LONG, net.dialer().dial(&echo))
            .await
            .unwrap()
            .unwrap();
        round_trip(&mut connection.io, b"at once").await;
        assert!(net.shutdown(Duration::from_secs(5)).await);
        let record = record.await.unwrap();
        assert_eq!(states(&record), [DEGRADED, READY]);
        took.push(record[1].1);
        assert_eq!(recorder.snapshot().all_rejected(), 0);
    }
    took.sort();
    println!(
        "fresh starts: median {:?}, all {took:?}",
        took[took.len() / 2]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn network_absent_at_start() {
    if skip("network_absent_at_start") {
        return;
    }
    let tor = own_network().await;
    control(&tor, TorNet::cut_off);
    let limit = Duration::from_secs(5);
    let mut config = config(&tor);
    config.set_bootstrap_timeout(limit).unwrap();
    let (net, recorder) = start(&config).await;
    let record = record_states(&net);
    let to: Target = "127.0.0.1:1".parse().unwrap();
    let dialer = net.dialer();
    let refused = Instant::now();
    let error = dialer.dial(&to).await.unwrap_err();
    assert!(matches!(error, TransportError::ArtiBootstrap), "{error}");
    assert!(refused.elapsed() < Duration::from_secs(1));
    becomes(&net, LATE, Duration::from_secs(10)).await;
    assert!(dialer.dial(&to).await.is_err());
    tokio::time::sleep(Duration::from_secs(12)).await;
    let begun = Instant::now();
    control(&tor, TorNet::restore);
    let back = Instant::now();
    becomes(&net, READY, LONG).await;
    println!(
        "absent at the start: ready {:?} after the network was restored ({:?} after that began)",
        back.elapsed(),
        begun.elapsed()
    );
    assert!(net.shutdown(Duration::from_secs(5)).await);
    let record = record.await.unwrap();
    assert_eq!(states(&record), [DEGRADED, LATE, READY]);
    let late = record[1].1;
    assert!(late >= limit - Duration::from_millis(100), "{late:?}");
    assert!(late <= limit + Duration::from_millis(500), "{late:?}");
    assert_eq!(recorder.snapshot().rejected(Reason::ArtiBootstrap), 1);
}

/// Interrupts the network under traffic and restores it.
async fn outage_under_traffic(
    name: &str,
    interrupt: fn(&TorNet) -> Result<(), TorNetError>,
    restore: fn(&TorNet) -> Result<(), TorNetError>,
) {
    let tor = own_network().await;
    let net = started(&config(&tor)).await;
    let record = record_states(&net);
    let echo: Target = tcp_echo().await.to_string().parse().unwrap();
    let dialer = net.dialer();
    let mut connection = reach(&dialer, &echo).await;
    round_trip(&mut connection.io, b"before").await;

    control(&tor, interrupt);
    let gone = Instant::now();
    let traffic = tokio::spawn({
        let (dialer, echo) = (dialer.clone(), echo.clone());
        async move {
            loop {
                let _ = timeout(Duration::from_secs(5), dialer.dial(&echo)).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    becomes(&net, DEGRADED, Duration::from_secs(30)).await;
    println!("{name}: detected after {:?}", gone.elapsed());
    tokio::time::sleep(Duration::from_secs(10)).await;
    control(&tor, restore);
    let returned = Instant::now();
    becomes(&net, READY, Duration::from_secs(45)).await;
    println!("{name}: ready {:?} after the restore", returned.elapsed());
    traffic.abort();
    round_trip(&mut reach(&dialer, &echo).await.io, b"after").await;
    assert!(net.shutdown(Duration::from_secs(5)).await);
    assert_eq!(states(&record.await.unwrap()), [READY, DEGRADED, READY]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn network_cut_off_under_traffic() {
    if !skip("network_cut_off_under_traffic") {
        outage_under_traffic("cut off", TorNet::cut_off, TorNet::restore).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn network_frozen_under_traffic() {
    if !skip("network_frozen_under_traffic") {
        outage_under_traffic("frozen", TorNet::freeze, TorNet::thaw).await;
    }
}
