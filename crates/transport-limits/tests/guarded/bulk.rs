//! Bulk reads of a relay and their charges to the budget.

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};
use transport_core::{Dialer, PeerAddr, Plain};
use transport_limits::relay;

use crate::harness::{anywhere, Peer, Rig};

/// Bytes of an ordinary read.
const READ: usize = 64 << 10;
/// Bytes of a bulk read.
const BULK: usize = 256 << 10;
/// Bytes that the upstream accepts after an ordinary read.
const MORE: usize = 10;
const SENT: usize = 512 << 10;

fn content() -> Vec<u8> {
    (0..SENT)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

fn rig() -> Rig {
    let mut rig = Rig::new(|l| {
        l.set_max_frame_bytes(READ as u64).unwrap();
        l.set_memory_bytes(BULK as u64).unwrap();
    });
    rig.dialer = rig.dialer.clone().buffer_bytes(2 * SENT);
    rig
}

/// Relays `SENT` bytes of a peer to a slow upstream.
async fn stuck_relay(rig: &mut Rig, host: u8) -> (Peer, DuplexStream) {
    let addr = PeerAddr::Ip(([127, 0, 0, host], 40_000).into());
    let dialer = rig.dialer.clone().from_peer(addr);
    let mut peer = dialer.dial(&anywhere()).await.unwrap();
    let ours = rig.guard.accept().await.establish().await.unwrap();
    let (far, upstream) = duplex(READ + MORE);
    peer.io.write_all(&content()).await.unwrap();
    tokio::spawn(relay(ours.io, Plain(far)));
    (peer, upstream)
}

async fn receive(upstream: &mut DuplexStream) -> Vec<u8> {
    let mut received = vec![0; SENT];
    upstream.read_exact(&mut received).await.unwrap();
    received
}

#[tokio::test(start_paused = true)]
async fn bulk_remainder_charged_until_written() {
    let mut rig = rig();
    let (_peer, mut upstream) = stuck_relay(&mut rig, 1).await;
    let held = (BULK - MORE) as i64;
    rig.recorder
        .wait_for("a remainder", |s| s.memory_held == held)
        .await;
    // An ordinary read is free of charge.
    let charged = BULK - MORE - READ;
    assert_eq!(rig.limiter.memory_held(), charged as u64);
    assert!(receive(&mut upstream).await == content());
    rig.recorder
        .wait_for("no remainder", |s| s.memory_held == 0)
        .await;
    assert_eq!(rig.limiter.memory_held(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_bulk_read_without_room_in_budget() {
    let mut rig = rig();
    let (_first, mut upstream) = stuck_relay(&mut rig, 1).await;
    let held = (BULK - MORE) as i64;
    rig.recorder
        .wait_for("a bulk remainder", |s| s.memory_held == held)
        .await;
    let (_second, mut other) = stuck_relay(&mut rig, 2).await;
    let held = held + (READ - MORE) as i64;
    rig.recorder
        .wait_for("an ordinary remainder", |s| s.memory_held == held)
        .await;
    let charged = BULK - MORE - READ;
    assert_eq!(rig.limiter.memory_held(), charged as u64);
    assert!(receive(&mut other).await == content());
    assert!(receive(&mut upstream).await == content());
    rig.recorder
        .wait_for("no remainder", |s| s.memory_held == 0)
        .await;
}
