//! The read, write, idle and lifetime deadlines, also while operations are parked.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, Instant};
use transport_core::{
    Backend, CloseReason, Connection, Dialer, Direction, Op, Plain, Scope, Target, TransportError,
};
use transport_limits::{relay, Guard, Limits};
use transport_testkit::MemoryIo;

use crate::harness::{
    anywhere, assert_lifetime, assert_took, chunk_in, deadlines, rates, Rig, CHUNK,
};

const SECOND: Duration = Duration::from_secs(1);

fn op(error: io::Error) -> Op {
    match TransportError::from(error) {
        TransportError::Timeout { op } => op,
        other => panic!("no timeout: {other:?}"),
    }
}

/// A chunk takes 4 s of the 5 s of every deadline. The idle timeout is 1 s.
fn slow() -> Rig {
    Rig::new(|l| {
        deadlines(l, |d| d.idle = SECOND);
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.per_conn = rate);
    })
}

/// The silence before the end of a direction does not count.
#[tokio::test(start_paused = true)]
async fn half_close_timeout_starts_at_the_end() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.half_close = 2 * SECOND));
    let (mut ours, mut peer) = rig.connect().await;
    let (far, mut upstream) = tokio::io::duplex(64);
    peer.io.write_all(b"question").await.unwrap();
    ours.io.read_exact(&mut [0; 8]).await.unwrap();
    let control = ours.io.control();
    let relaying = tokio::spawn(relay(ours.io, Plain(far)));
    let watching = tokio::spawn(async move { (control.ended().await, Instant::now()) });
    sleep(10 * SECOND).await;
    let start = Instant::now();
    peer.io.shutdown().await.unwrap();
    assert_eq!(upstream.read(&mut [0]).await.unwrap(), 0);
    sleep(SECOND).await;
    upstream.write_all(b"answer").await.unwrap();
    peer.io.read_exact(&mut [0; 6]).await.unwrap();
    let (error, ended) = watching.await.unwrap();
    let is_half_close = matches!(error, TransportError::Timeout { op: Op::HalfClose });
    assert!(is_half_close, "{error:?}");
    assert_took(ended.duration_since(start), 3 * SECOND);
    relaying.abort();
}

#[tokio::test(start_paused = true)]
async fn parked_read_stops_idle_and_read_clocks() {
    let mut rig = slow();
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; 4 * CHUNK]).await.unwrap();
    ours.io.control().expect_read(4 * CHUNK as u64);
    let start = Instant::now();
    // The burst, then three waits of 4 s: together longer than the read and the idle timeout.
    ours.io.read_exact(&mut [0; 4 * CHUNK]).await.unwrap();
    assert_took(start.elapsed(), 12 * SECOND);
    let last_byte = Instant::now();
    assert_eq!(op(ours.io.read(&mut [0; 1]).await.unwrap_err()), Op::Idle);
    assert_took(last_byte.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn two_parked_halves_stop_idle_clock_once() {
    let mut rig = slow();
    let (ours, mut peer) = rig.connect().await;
    let (mut read, mut write) = tokio::io::split(ours.io);
    peer.io.write_all(&[1; 4 * CHUNK]).await.unwrap();
    let (_, _) = tokio::join!(
        async { read.read_exact(&mut [0; 4 * CHUNK]).await.unwrap() },
        async { write.write_all(&[2; 4 * CHUNK]).await.unwrap() },
    );
    let last_byte = Instant::now();
    assert_eq!(op(read.read(&mut [0; 1]).await.unwrap_err()), Op::Idle);
    assert_took(last_byte.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn parked_write_keeps_read_deadline() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| d.read = 2 * SECOND);
        let rate = chunk_in(l, 2 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    rig.dialer = rig.dialer.clone().buffer_bytes(1 << 20);
    let (ours, _peer) = rig.connect().await;
    let control = ours.io.control();
    let (mut read, mut write) = tokio::io::split(ours.io);
    // Many short throttle waits, each of which could move the read clock.
    let writing =
        tokio::spawn(async move { while write.write_all(&[2; CHUNK / 8]).await.is_ok() {} });
    control.expect_read(100);
    let start = Instant::now();
    assert_eq!(op(read.read(&mut [0; 100]).await.unwrap_err()), Op::Read);
    assert_took(start.elapsed(), 2 * SECOND);
    writing.await.unwrap();
}

/// A write waits for the peer, for two scopes, and again.
///
/// Only the waits for the peer count.
#[tokio::test(start_paused = true)]
async fn parked_write_stops_write_clock() {
    let mut rig = Rig::new(|l| {
        let rate = chunk_in(l, 5 * SECOND);
        rates(l, |r| {
            r.per_conn = rate;
            r.global_egress = rate;
        });
    });
    rig.dialer = rig.dialer.clone().buffer_bytes(CHUNK / 2);
    let (mut ours, mut peer) = rig.connect().await;
    rig.dialer = rig.dialer.clone().buffer_bytes(4 * CHUNK);
    let (mut other, _other_peer) = rig.connect().await;
    let start = Instant::now();
    let writing = tokio::spawn(async move {
        let error = ours.io.write_all(&[1; 16 * CHUNK]).await.unwrap_err();
        (op(error), Instant::now())
    });
    // Half a chunk is written and the rest of the next one waits. A little progress makes the write
    // wait for tokens again, and the other connection takes the shared ones.
    sleep(3 * SECOND).await;
    peer.io.read_exact(&mut [0; 1000]).await.unwrap();
    sleep(SECOND / 2).await;
    let other_start = Instant::now();
    other.io.write_all(&[1; CHUNK]).await.unwrap();
    let others = other_start.elapsed();
    let (op, ended) = writing.await.unwrap();
    assert_eq!(op, Op::Write);
    let conn = rig.recorder.throttled(Scope::Conn, Direction::Out);
    let global = rig.recorder.throttled(Scope::Global, Direction::Out);
    assert!(
        conn > SECOND && global > others + SECOND,
        "{conn:?} {global:?} {others:?}"
    );
    let parked = conn + global - others;
    assert_took(ended - start - parked, 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn trickling_reader_times_out() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        deadlines(l, |d| d.write = SECOND);
    });
    let (mut ours, mut peer) = rig.connect().await;
    tokio::spawn(async move {
        let mut buf = [0; 100];
        while peer.io.read(&mut buf).await.is_ok_and(|read| read > 0) {
            sleep(SECOND / 10).await;
        }
    });
    let start = Instant::now();
    let error = ours.io.write_all(&[1; 64 * CHUNK]).await.unwrap_err();
    assert_eq!(op(error), Op::Write);
    assert_took(start.elapsed(), SECOND);
    drop(ours);
    assert_eq!(rig.recorder.closes(CloseReason::Timeout), 1);
}

#[tokio::test(start_paused = true)]
async fn slow_steady_reader_served() {
    let mut rig = Rig::new(|l| {
        l.set_chunk_bytes(CHUNK as u64).unwrap();
        deadlines(l, |d| d.write = SECOND);
    });
    let (mut ours, mut peer) = rig.connect().await;
    let reading = tokio::spawn(async move {
        let (mut buf, mut sum) = ([0; CHUNK / 4], 0);
        loop {
            match peer.io.read(&mut buf).await.unwrap() {
                0 => return sum,
                read => sum += read,
            }
            // A chunk in 80 % of the deadline.
            sleep(SECOND / 5).await;
        }
    });
    ours.io.write_all(&[1; 16 * CHUNK]).await.unwrap();
    ours.io.shutdown().await.unwrap();
    assert_eq!(reading.await.unwrap(), 16 * CHUNK);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_write_leaves_no_deadline() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.write = SECOND));
    rig.dialer = rig.dialer.clone().buffer_bytes(16);
    let (mut ours, mut peer) = rig.connect().await;
    let dropped = tokio::time::timeout(SECOND / 2, ours.io.write_all(&[1; 32])).await;
    assert!(dropped.is_err());
    sleep(20 * SECOND).await;
    let start = Instant::now();
    assert_eq!(
        op(ours.io.write_all(&[1; 16]).await.unwrap_err()),
        Op::Write
    );
    assert_took(start.elapsed(), SECOND);
    peer.io.read_exact(&mut [0; 16]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unpolled_stream_ended_by_idle_and_lifetime() {
    for (lifetime, wanted, after) in [
        (0, Op::Idle, 3 * SECOND),
        // The lifetime varies by connection, between 90 % and 100 %.
        (2, Op::Lifetime, 2 * SECOND),
        (9, Op::Idle, 3 * SECOND),
    ] {
        let mut rig = Rig::new(|l| {
            deadlines(l, |d| {
                d.idle = 3 * SECOND;
                d.lifetime = lifetime * SECOND;
            });
        });
        let (mut ours, _peer) = rig.connect().await;
        let start = Instant::now();
        match ours.io.control().ended().await {
            TransportError::Timeout { op } => assert_eq!(op, wanted),
            other => panic!("{other:?}"),
        }
        if wanted == Op::Lifetime {
            assert_lifetime(start.elapsed(), after);
        } else {
            assert_took(start.elapsed(), after);
        }
        assert_eq!(op(ours.io.write_all(b"late").await.unwrap_err()), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_runs_while_parked() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| d.lifetime = 2 * SECOND);
        let rate = chunk_in(l, 4 * SECOND);
        rates(l, |r| r.per_conn = rate);
    });
    let (mut ours, mut peer) = rig.connect().await;
    peer.io.write_all(&[1; 2 * CHUNK]).await.unwrap();
    let start = Instant::now();
    let error = ours.io.read_exact(&mut [0; 2 * CHUNK]).await.unwrap_err();
    assert_eq!(op(error), Op::Lifetime);
    assert_lifetime(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn stalled_write_is_not_idle() {
    let mut rig = Rig::new(|l| {
        deadlines(l, |d| {
            d.idle = SECOND;
            d.write = 5 * SECOND;
        });
    });
    let (mut ours, mut peer) = rig.connect().await;
    let start = Instant::now();
    let error = ours.io.write_all(&[1; 1 << 20]).await.unwrap_err();
    assert_eq!(op(error), Op::Write);
    assert_took(start.elapsed(), 5 * SECOND);
    drop(ours);
    let aborted = peer.io.read_to_end(&mut Vec::new()).await;
    aborted.expect_err("an abort is not an end of stream");
}

#[tokio::test(start_paused = true)]
async fn dropped_write_aborts_stream() {
    let mut rig = Rig::new(|l| deadlines(l, |d| d.idle = SECOND));
    let (mut ours, mut peer) = rig.connect().await;
    let dropped = tokio::time::timeout(SECOND / 2, ours.io.write_all(&[1; 1 << 20])).await;
    dropped.expect_err("the peer does not read");
    let ended = ours.io.control().ended().await;
    assert!(matches!(ended, TransportError::Timeout { op: Op::Idle }));
    drop(ours);
    let aborted = peer.io.read_to_end(&mut Vec::new()).await;
    aborted.expect_err("an abort is not an end of stream");
}

/// Returns how long a dialed connection lives without a byte.
async fn idle_of_dialed(tune: impl FnOnce(&mut Limits), own: Option<Duration>) -> Duration {
    let mut rig = Rig::new(tune);
    let dialer = Guard::new(rig.dialer.clone(), &rig.limiter);
    let mut dialed = dialer.dial(&anywhere()).await.unwrap();
    let (_accepted, start) = (rig.guard.accept().await, Instant::now());
    // A reload changes no open connection.
    rig.apply(|l| deadlines(l, |d| d.dial_idle = Some(7 * SECOND)));
    if let Some(own) = own {
        dialed.io.control().set_idle_timeout(own);
    }
    let mut buf = [0; 1];
    let reading = dialed.io.read(&mut buf);
    let Ok(read) = tokio::time::timeout(60 * SECOND, reading).await else {
        return start.elapsed();
    };
    assert_eq!(op(read.unwrap_err()), Op::Idle);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn dialed_connection_has_own_idle_timeout() {
    let idle = |l: &mut Limits| deadlines(l, |d| d.idle = 2 * SECOND);
    assert_took(idle_of_dialed(idle, None).await, 2 * SECOND);
    let both = |l: &mut Limits| {
        deadlines(l, |d| {
            (d.idle, d.dial_idle) = (2 * SECOND, Some(3 * SECOND));
        });
    };
    assert_took(idle_of_dialed(both, None).await, 3 * SECOND);
    assert_took(idle_of_dialed(both, Some(SECOND)).await, SECOND);
    let off = |l: &mut Limits| {
        deadlines(l, |d| {
            (d.idle, d.dial_idle) = (2 * SECOND, Some(Duration::ZERO));
        });
    };
    assert_took(idle_of_dialed(off, None).await, 60 * SECOND);
    assert_took(
        idle_of_dialed(both, Some(Duration::ZERO)).await,
        60 * SECOND,
    );
}

#[tokio::test(start_paused = true)]
async fn dial_deadline_of_one_dial() {
    struct Silent;
    impl Dialer for Silent {
        type Io = MemoryIo;
        fn backend(&self) -> Backend {
            Backend::Tcp
        }
        async fn dial(&self, _: &Target) -> Result<Connection<MemoryIo>, TransportError> {
            std::future::pending().await
        }
    }
    let rig = Rig::new(|l| deadlines(l, |d| d.dial = 5 * SECOND));
    let dialer = Guard::new(Silent, &rig.limiter);
    let target = anywhere();
    for (own, want) in [
        (None, 5 * SECOND),
        (Some(SECOND), SECOND),
        (Some(8 * SECOND), 8 * SECOND),
    ] {
        let start = Instant::now();
        let dialed = match own {
            None => dialer.dial(&target).await,
            Some(own) => dialer.dial_within(&target, own).await,
        };
        let error = dialed.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { op: Op::Dial }));
        assert_took(start.elapsed(), want);
    }
    assert_eq!(rig.recorder.snapshot().dials(false), 3);
}
