//! Micro-benches of what stands on every hot path: bucket, admission, frame reader.
// Criterion writes public items, and a bench stops where it fails.
#![allow(missing_docs, clippy::unwrap_used)]

use std::future::ready;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use tokio::io::{duplex, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use transport_core::schema::Section;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, NoObserver, PeerAddr, Pending, Plain, TransportError,
};
use transport_limits::bucket::{Bucket, Rate};
use transport_limits::{framed, Guard, Limiter, Limits};

/// Yields a new peer of one of many addresses at each call.
struct Crowd(u32);

struct Face(u32);

impl Listener for Crowd {
    type Pending = Face;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<Face, TransportError> {
        self.0 = self.0.wrapping_add(1);
        ready(Ok(Face(self.0 % 4096))).await
    }
}

impl Pending for Face {
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
    let bucket = Bucket::default();
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
    let mut guard = Guard::new(Crowd(0), &limiter());
    c.bench_function("admission: admit and let go", |b| {
        b.iter(|| runtime.block_on(async { drop(black_box(guard.accept().await)) }));
    });
}

fn frames(c: &mut Criterion) {
    const FRAME: usize = 64 << 10;
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("frame reader");
    group.throughput(Throughput::Bytes(FRAME as u64));
    group.bench_function("64 KiB frames over a duplex", |b| {
        let (mut client, mut reader) = runtime.block_on(async {
            let (client, server) = duplex(2 * FRAME);
            let mut guard = Guard::new(Wire(Some(server)), &limiter());
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

/// Yields the one stream it was given.
struct Wire(Option<DuplexStream>);

struct Plugged(DuplexStream);

impl Listener for Wire {
    type Pending = Plugged;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<Plugged, TransportError> {
        self.0.take().map(Plugged).ok_or(TransportError::Closed)
    }
}

impl Pending for Plugged {
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

criterion_group!(benches, bucket, admission, frames);
criterion_main!(benches);
