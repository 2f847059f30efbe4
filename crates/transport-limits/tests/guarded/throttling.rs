//! Byte rates: precision, and fairness between connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout, Instant};
use transport_core::{Direction, PeerAddr, Reason, Scope};
use transport_limits::Control;

use crate::harness::{assert_took, chunk_in, rates, Peer, Rig, CHUNK};

const SECOND: Duration = Duration::from_secs(1);
const TEN: Duration = Duration::from_secs(10);

/// Moves bytes for 10 s; returns their number.
async fn ten_seconds(rig: &mut Rig, direction: Direction) -> u64 {
    let (mut ours, mut peer) = rig.connect().await;
    let control = ours.io.control();
    let mut buf = vec![0; 256 << 10];
    let move_bytes = async {
        match direction {
            Direction::In => loop {
                let (read, _) = tokio::join!(ours.io.read(&mut buf), peer.io.write(&[1; 16 << 10]));
                read.unwrap();
            },
            Direction::Out => {
                tokio::spawn(async move {
                    while peer
                        .io
                        .read(&mut [0; 16 << 10])
                        .await
                        .is_ok_and(|read| read > 0)
                    {}
                });
                loop {
                    ours.io.write_all(&buf).await.unwrap();
                }
            }
        }
    };
    timeout(TEN, move_bytes).await.unwrap_err();
    control.bytes_in() + control.bytes_out()
}

/// Reads and discards.
async fn discard(mut peer: Peer) {
    let mut buf = vec![0; 64 << 10];
    while peer.io.read(&mut buf).await.is_ok_and(|read| read > 0) {}
}

fn assert_kept(moved: u64, rate: u64, burst: u64) {
    assert!(
        moved <= rate * 10 + burst,
        "{moved} bytes in ten seconds at {rate} a second"
    );
    assert!(
        moved >= rate * 10 * 95 / 100,
        "only {moved} bytes in ten seconds at {rate} a second"
    );
}

/// Rates from two chunks a second up.
#[tokio::test(start_paused = true)]
async fn rate_kept_within_five_percent() {
    for chunk in [4 << 10, 64 << 10, 256 << 10] {
        for rate in [2 * chunk, 3 * chunk + 1, 1 << 20, 10 << 20] {
            for direction in Direction::ALL {
                let mut rig = Rig::new(|l| {
                    l.set_chunk_bytes(chunk).unwrap();
                    rates(l, |r| r.per_conn = rate);
                });
                let moved = ten_seconds(&mut rig, direction).await;
                assert_kept(moved, rate, (rate / 4).max(chunk));
            }
        }
    }
}

/// All scopes have a rate; only waits for the slowest are reported.
#[tokio::test(start_paused = true)]
async fn slowest_scope_decides_and_is_reported() {
    const SLOW: u64 = 128 << 10;
    for slow in Scope::RATES {
        let rate = |scope| if scope == slow { SLOW } else { 4 * SLOW };
        let mut rig = Rig::new(|l| {
            rates(l, |r| {
                r.per_conn = rate(Scope::Conn);
                r.per_peer = rate(Scope::Peer);
                r.global_ingress = rate(Scope::Global);
            });
        });
        let moved = ten_seconds(&mut rig, Direction::In).await;
        assert_kept(moved, SLOW, 64 << 10);
        for scope in Scope::RATES {
            let parked = rig.recorder.throttled(scope, Direction::In);
            assert_eq!(parked > SECOND, scope == slow, "{scope:?} {parked:?}");
            assert_eq!(
                rig.recorder.throttled(scope, Direction::Out),
                Duration::ZERO
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn parked_time_reported_exactly() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; 3 * CHUNK]).await.unwrap();
    ours.io.read_exact(&mut [0; 3 * CHUNK]).await.unwrap();
    assert_took(
        rig.recorder.throttled(Scope::Conn, Direction::In),
        8 * SECOND,
    );
    assert_eq!(
        rig.recorder.rejected(Reason::RateLimited),
        1,
        "a connection counts once"
    );
}

/// Connections of several peers use exactly the global rate, in fair shares.
async fn share(conns: u32, rate: u64) {
    let mut rig = Rig::new(|l| rates(l, |r| r.global_ingress = rate));
    let mut controls = Vec::new();
    for n in 0..conns {
        rig.dialer = rig.dialer.clone().from_peer(PeerAddr::Uid(n));
        let (mut ours, mut peer) = rig.connect().await;
        controls.push(ours.io.control());
        tokio::spawn(async move { while peer.io.write_all(&[1; 16 << 10]).await.is_ok() {} });
        tokio::spawn(async move {
            let mut buf = vec![0; 64 << 10];
            while ours.io.read(&mut buf).await.is_ok_and(|read| read > 0) {}
        });
    }
    sleep(TEN).await;
    let moved: Vec<u64> = controls.iter().map(Control::bytes_in).collect();
    let burst = (rate / 4).max(64 << 10);
    assert_kept(moved.iter().sum(), rate, burst);
    let fair = rate * 10 / u64::from(conns);
    let near = |&moved: &u64| moved > fair / 3 && moved < fair * 3 + burst;
    assert!(moved.iter().all(near), "a fair share is {fair}: {moved:?}");
}

#[tokio::test(start_paused = true)]
async fn few_connections_share_rate_fairly() {
    share(8, 512 << 10).await;
}

#[tokio::test(start_paused = true)]
async fn many_connections_share_rate_fairly() {
    share(200, 4 << 20).await;
}

/// A wait is for 20 ms worth of the rate. A smaller piece costs more than its bytes.
#[tokio::test(start_paused = true)]
async fn rate_limited_writes_are_large() {
    const RATE: u64 = 2 << 20;
    for want in [64 << 10, 200_000] {
        let mut rig = Rig::new(|l| rates(l, |r| r.per_conn = RATE));
        rig.dialer = rig.dialer.clone().buffer_bytes(256 << 10);
        let (mut ours, peer) = rig.connect().await;
        tokio::spawn(discard(peer));
        let control = ours.io.control();
        let buf = vec![1; want];
        let writing = async {
            loop {
                ours.io.write_all(&buf).await.unwrap();
            }
        };
        timeout(TEN, writing).await.unwrap_err();
        let moved = control.bytes_out();
        assert_kept(moved, RATE, RATE / 4);
        let calls = rig.writes.calls().len() as u64;
        assert!(
            moved / calls >= RATE / 60,
            "{calls} writes for {moved} bytes"
        );
    }
}

/// The small operations together want all of the rate.
#[tokio::test(start_paused = true)]
async fn large_writes_keep_share_beside_small_ones() {
    const RATE: u64 = 2 << 20;
    let mut rig = Rig::new(|l| rates(l, |r| r.global_egress = RATE));
    let (mut large, large_peer) = rig.connect().await;
    let (mut small, small_peer) = rig.connect().await;
    let controls = [&large, &small].map(|ours| ours.io.control());
    tokio::spawn(discard(large_peer));
    tokio::spawn(discard(small_peer));
    tokio::spawn(async move { while large.io.write_all(&[1; 64 << 10]).await.is_ok() {} });
    tokio::spawn(async move {
        while small.io.write_all(&[1; 4 << 10]).await.is_ok() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    sleep(TEN).await;
    let [large, small] = controls.map(|control| control.bytes_out());
    assert_kept(large + small, RATE, RATE / 4);
    assert!(large > RATE * 2 && small > RATE * 2, "{large} and {small}");
}

/// The lowest possible rate. It is below one small grant per connection and second.
#[tokio::test(start_paused = true)]
async fn too_many_connections_use_up_low_rate() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.global_ingress = rate);
    });
    let mut controls = Vec::new();
    for _ in 0..50 {
        let (mut ours, mut peer) = rig.connect().await;
        peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
        controls.push(ours.io.control());
        tokio::spawn(async move {
            let read = ours.io.read_exact(&mut [0; 2 * CHUNK]).await;
            drop(peer);
            read.unwrap();
        });
    }
    sleep(20 * TEN).await;
    let moved: u64 = controls.iter().map(Control::bytes_in).sum();
    let most = (50 + 1) * CHUNK as u64;
    // Two seconds of spread are half a chunk at this rate.
    assert!(
        moved <= most + CHUNK as u64 && moved >= most * 9 / 10,
        "{moved} of {most}"
    );
}

/// A read without bytes takes no token, however often it is repeated.
#[tokio::test(start_paused = true)]
async fn waiting_read_spends_no_token() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.global_ingress = rate);
    });
    let (mut ours, mut peer) = rig.connect().await;
    for _ in 0..100 {
        let read = timeout(Duration::from_millis(1), ours.io.read(&mut [0; CHUNK])).await;
        assert!(read.is_err());
    }
    peer.io.write_all(&[1; CHUNK]).await.unwrap();
    let start = Instant::now();
    ours.io.read_exact(&mut [0; CHUNK]).await.unwrap();
    assert_took(start.elapsed(), Duration::ZERO);
}

/// A connection closed while it waits does not delay others.
#[tokio::test(start_paused = true)]
async fn closed_connection_leaves_waiters() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.global_ingress = rate);
    });
    let (mut first, mut first_peer) = rig.connect().await;
    let (mut second, mut second_peer) = rig.connect().await;
    first_peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    second_peer.io.write_all(&[1; CHUNK]).await.unwrap();
    let start = Instant::now();
    let waiting = timeout(SECOND, first.io.read_exact(&mut [0; 2 * CHUNK])).await;
    assert!(waiting.is_err(), "the burst is spent");
    drop(first);
    // 4 s from the start, not 8 s.
    second.io.read_exact(&mut [0; CHUNK]).await.unwrap();
    assert_took(start.elapsed(), 4 * SECOND);
    assert_took(
        rig.recorder.throttled(Scope::Global, Direction::In),
        4 * SECOND,
    );
}
