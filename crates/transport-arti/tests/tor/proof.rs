//! Readiness is proven by a circuit of the required kind.

use std::time::Duration;

use ron_tornet::TorNet;
use tokio::time::{timeout, Instant};
use transport_arti::transport_core::{Dialer, ReadyReason, ReadyState, Target};
use transport_arti::{ArtiConfig, ArtiNet, Reloadable};
use transport_testkit::Recorder;

use crate::rig::{
    becomes, config, pair, round_trip, serving, shared, skip, start, stored_in, target, tcp_echo,
    LONG,
};

const READY: ReadyState = ReadyState::Ready;
const STARTS: usize = 30;

/// Starts a client with its own state and cache directories.
async fn with_state(config: &ArtiConfig) -> (ArtiNet, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = stored_in(config.clone(), dir.path());
    let live = Reloadable::new(config.clone());
    let net = ArtiNet::start(&live, false, Recorder::new().observer()).await;
    (net.unwrap(), dir)
}

/// Announces the target, waits for readiness and dials at once.
///
/// Returns the duration of the start and of the dial.
async fn dial_once_ready(net: &ArtiNet, to: &Target) -> (Duration, Duration) {
    net.announce(to);
    let begun = Instant::now();
    becomes(net, READY, LONG).await;
    let ready = Instant::now();
    let dialed = timeout(LONG, net.dialer().dial(to)).await.unwrap();
    let took = ready.elapsed();
    round_trip(&mut dialed.unwrap().io, b"at once").await;
    (ready - begun, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_client_dials_exit_at_once() {
    if skip("ready_client_dials_exit_at_once") {
        return;
    }
    let tor = tokio::task::spawn_blocking(TorNet::start_with_exit_as_guard);
    let tor = tor.await.unwrap().unwrap();
    let echo: Target = tcp_echo().await.to_string().parse().unwrap();
    let mut starts = Vec::new();
    for at in 0..STARTS {
        let (net, _kept);
        if at % 2 == 0 {
            (net, _kept) = (start(&config(&tor)).await.0, None);
        } else {
            let (with_state, dir) = with_state(&config(&tor)).await;
            (net, _kept) = (with_state, Some(dir));
        }
        starts.push(dial_once_ready(&net, &echo).await);
        assert!(net.shutdown(Duration::from_secs(5)).await);
    }
    println!(
        "{} of {STARTS} first dials worked: {starts:?}",
        starts.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_target_proven_before_ready() {
    if skip("announced_target_proven_before_ready") {
        return;
    }
    let tor = shared().await;
    let (service, client) = pair(&serving(tor, 80), &config(tor)).await;
    let mut readiness = client.readiness();
    readiness.mark_unchanged();
    client.announce(&target(&service, 80));
    // Degraded until proven; the proof covers a second target of the same kind.
    timeout(LONG, readiness.changed()).await.unwrap().unwrap();
    becomes(&client, READY, LONG).await;
    readiness.mark_unchanged();
    client.announce(&"other.onion:81".parse().unwrap());
    let again = timeout(Duration::from_millis(300), readiness.changed()).await;
    assert!(again.is_err(), "{:?}", *client.readiness().borrow());
    assert!(service.shutdown(Duration::from_secs(5)).await);
    assert!(client.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn onion_service_needs_no_exit() {
    if skip("onion_service_needs_no_exit") {
        return;
    }
    let tor = tokio::task::spawn_blocking(TorNet::start);
    let tor = tor.await.unwrap().unwrap();
    tokio::task::block_in_place(|| tor.stop_node(ron_tornet::Node::Exit)).unwrap();
    let (service, client) = (
        start(&serving(&tor, 80)).await.0,
        start(&config(&tor)).await.0,
    );
    client.announce(&target(&service, 80));
    becomes(&service, READY, LONG).await;
    becomes(&client, READY, LONG).await;
    // A stopped exit makes no client ready.
    let (other, _) = start(&config(&tor)).await;
    other.announce(&"example.org:443".parse().unwrap());
    let mut readiness = other.readiness();
    let ready = readiness.wait_for(|state| *state == READY);
    let early = timeout(Duration::from_secs(5), ready).await.is_ok();
    assert!(!early, "ready without an exit");
    let state = *other.readiness().borrow();
    let degraded = ReadyState::Degraded {
        reason: ReadyReason::ArtiBootstrap,
    };
    assert_eq!(state, degraded);
    for net in [service, client, other] {
        assert!(net.shutdown(Duration::from_secs(5)).await);
    }
}
