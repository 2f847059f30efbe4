//! Micro-benchmarks of the hot paths: bucket, admission, frame reader.
// Criterion generates public items, and a failed benchmark may panic.
#![allow(missing_docs, clippy::unwrap_used)]

use std::future::ready;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use tokio::io::{duplex, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use transport_core::schema::Section;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, NoObserver, PeerAddr, Pending, Plain, TransportError,
};
use transport_limits::bucket::{Rate, TokenBucket};
use transport_limits::{framed, Decision, Guard, IpPrefix, IpPrefixes, Limiter, Limits, Overflow};

/// Accepts a peer with one of 4096 addresses at each call.
struct ManyPeers(u32);

struct PendingPeer(u32);

impl Listener for ManyPeers {
    type Pending = PendingPeer;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<PendingPeer, TransportError> {
        self.0 = self.0.wrapping_add(1);
        ready(Ok(PendingPeer(self.0 % 4096))).await
    }
}

impl Pending for PendingPeer {
    type Io = Plain<DuplexStream>;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Ip(SocketAddr::from((self.0.to_be_bytes(), 1)))
    }

    async fn establish(self) -> Result<Connection<Plain<DuplexStream>>, TransportError> {
        let info = ConnInfo::new(Backend::Tcp, Some(self.peer()));
        Ok(Connection::new(Plain(duplex(1).0), info))
    }
}

fn bucket(c: &mut Criterion) {
    let bucket = TokenBucket::default();
    let rate = Rate::bytes(1 << 40, 64 << 10).unwrap();
    let mut now = 0;
    c.bench_function("bucket: take and settle 64 KiB", |b| {
        b.iter(|| {
            now += 16_000;
            let grant = bucket
                .take(black_box(now), rate, 64 << 10, 4 << 10)
                .unwrap();
            bucket.settle(grant, 1000);
        });
    });
}

fn limiter() -> Limiter {
    let mut limits = Limits::default();
    for (path, value) in [
        ("max_conns", "1000000"),
        ("per_peer.max_conns", "1000"),
        ("per_peer.accepts_per_sec", "1000000"),
        ("rates.accepts_per_sec", "4000000000"),
    ] {
        limits.set(path, &value.into()).unwrap();
    }
    Limiter::new(&limits, Arc::new(NoObserver)).unwrap()
}

fn admission(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut guard = Guard::new(ManyPeers(0), &limiter());
    c.bench_function("admission: admit and let go", |b| {
        b.iter(|| runtime.block_on(async { drop(black_box(guard.accept().await)) }));
    });
}

/// Prefixes of mixed lengths, half of them IPv4 and half IPv6.
///
/// They are spread over the address space and contain no address of [`ManyPeers`].
fn rules(count: u32) -> IpPrefixes {
    let prefix = |at: u32| -> IpPrefix {
        let bits = at.wrapping_mul(0x9e37_79b9) | 0x8000_0000;
        let text = if at % 2 == 0 {
            let len = 16 + at % 17;
            let addr = Ipv4Addr::from(bits & (u32::MAX << (32 - len)));
            format!("{addr}/{len}")
        } else {
            let len = 32 + at % 33;
            let wide = u128::from(bits) << 96 | u128::from(bits.rotate_left(9)) << 64;
            let addr = Ipv6Addr::from(wide & (u128::MAX << (128 - len)));
            format!("{addr}/{len}")
        };
        text.parse().unwrap()
    };
    (0..count).map(prefix).collect()
}

fn addresses(c: &mut Criterion) {
    const RULES: u32 = 10_000;
    let list = rules(RULES);
    let mut at = 0_u32;
    c.bench_function("rules: look up an address in 10,000 prefixes", |b| {
        b.iter(|| {
            at = at.wrapping_add(0x9e37_79b9);
            let addr = if at & 1 == 0 {
                IpAddr::V4(at.into())
            } else {
                IpAddr::V6((u128::from(at) << 96).into())
            };
            black_box(list.contains(black_box(addr)))
        });
    });
    let runtime = Runtime::new().unwrap();
    for (name, count) in [("no rules", 0), ("2 x 10,000 rules", RULES)] {
        let limiter = limiter();
        let mut limits = Limits::default();
        limits.set("max_conns", &"1000000".into()).unwrap();
        limits.set_denied_peers(rules(count));
        if count > 0 {
            let all: IpPrefix = "0.0.0.0/1".parse().unwrap();
            limits.set_allowed_peers(
                rules(count)
                    .as_slice()
                    .iter()
                    .copied()
                    .chain([all])
                    .collect(),
            );
            limiter.set_admit(|_| Decision::Allow);
        }
        limiter.apply(&limits).unwrap();
        let mut guard = Guard::new(ManyPeers(0), &limiter);
        c.bench_function(&format!("admission: admit and let go, {name}"), |b| {
            b.iter(|| runtime.block_on(async { drop(black_box(guard.accept().await)) }));
        });
    }
}

/// Accepts a peer at every other call and otherwise stays pending.
struct AlternatingListener(ManyPeers, bool);

impl Listener for AlternatingListener {
    type Pending = PendingPeer;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<PendingPeer, TransportError> {
        self.1 = !self.1;
        if self.1 {
            self.0.accept().await
        } else {
            std::future::pending().await
        }
    }
}

/// Accepts at the connection cap; each accept scans for an idle connection.
///
/// No connection may be evicted yet, so that each scan has maximum length.
fn eviction(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for conns in [1000_u32, 100_000] {
        let mut limits = Limits::default();
        limits.set_max_conns(u64::from(conns)).unwrap();
        limits.set_overflow(Overflow::Evict);
        limits.set_evict_after(Duration::from_secs(3600)).unwrap();
        let limiter = Limiter::new(&limits, Arc::new(NoObserver)).unwrap();
        let mut full = Guard::new(ManyPeers(0), &limiter);
        let mut held = Vec::new();
        runtime.block_on(async {
            for _ in 0..conns {
                held.push(full.accept().await.establish().await.unwrap());
            }
        });
        let mut guard = Guard::new(AlternatingListener(ManyPeers(0), false), &limiter);
        c.bench_function(&format!("eviction: look among {conns} and refuse"), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = guard.accept() => unreachable!("admitted at the cap"),
                        () = ready(()) => {}
                    }
                });
            });
        });
    }
}

fn frames(c: &mut Criterion) {
    const FRAME: usize = 64 << 10;
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("frame reader");
    group.throughput(Throughput::Bytes(FRAME as u64));
    group.bench_function("64 KiB frames over a duplex", |b| {
        let (mut client, mut reader) = runtime.block_on(async {
            let (client, server) = duplex(2 * FRAME);
            let mut guard = Guard::new(OneStream(Some(server)), &limiter());
            let connection = guard.accept().await.establish().await.unwrap();
            let control = connection.io.control();
            (client, framed(connection.io, &control).0)
        });
        let mut wire = vec![0, 1, 0, 0];
        wire.resize(4 + FRAME, 7);
        b.iter(|| {
            runtime.block_on(async {
                client.write_all(&wire).await.unwrap();
                black_box(reader.read_frame().await.unwrap().unwrap())
            })
        });
    });
    group.finish();
}

/// Accepts one stream.
struct OneStream(Option<DuplexStream>);

struct PendingStream(DuplexStream);

impl Listener for OneStream {
    type Pending = PendingStream;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<PendingStream, TransportError> {
        self.0
            .take()
            .map(PendingStream)
            .ok_or(TransportError::Closed)
    }
}

impl Pending for PendingStream {
    type Io = Plain<DuplexStream>;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Uid(1)
    }

    async fn establish(self) -> Result<Connection<Plain<DuplexStream>>, TransportError> {
        Ok(Connection::new(
            Plain(self.0),
            ConnInfo::new(Backend::Tcp, None),
        ))
    }
}

criterion_group!(benches, bucket, admission, addresses, eviction, frames);
criterion_main!(benches);
