//! The costs of the library over Tor: transfer times against bare arti-client.
//!
//! Transfers go through an onion service and through an exit of a private Tor network, in
//! interleaved rounds of one run. Every client is separate, in this process. Each transfer has its
//! own circuit, because paths differ in throughput: a few rounds compare only luck.
//!
//! `cargo xtask bench tor [ROUNDS]`; a few rounds are a smoke test, not a result.
// A bench may panic, and its bare side spawns untracked tasks as a bare program would.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod bare;
mod guarded;

use std::net::SocketAddr;
use std::time::Instant;

use ron_tornet::TorNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

const MIB: usize = 1 << 20;
/// Bytes echoed by the onion service, and through the exit.
const ONION: usize = 8 * MIB;
const EXIT: usize = 16 * MIB;
/// The size of a write.
const CHUNK: usize = 64 << 10;

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(25, |text| text.parse().unwrap());
    let net = TorNet::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(&net, rounds));
}

async fn run(net: &TorNet, rounds: usize) {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let config = net.client_config();
    let bare = bare::Pair::start(&config, dir.path()).await;
    let guarded = guarded::Pair::start(&config, dir.path()).await;
    let echo = tcp_echo().await;
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..=rounds {
        // The subjects alternate in going first.
        for at in 0..2 {
            let which = (at + round) % 2;
            let took = if which == 0 {
                [
                    timed(bare.to_onion().await, ONION).await,
                    timed(bare.through_exit(echo).await, EXIT).await,
                ]
            } else {
                [
                    timed(guarded.to_onion().await, ONION).await,
                    timed(guarded.through_exit(echo).await, EXIT).await,
                ]
            };
            // The first round warms up descriptors and circuits.
            if round > 0 {
                for (path, took) in took.into_iter().enumerate() {
                    times[path][which].push(took);
                }
            }
        }
    }
    guarded.end().await;
    for (path, (name, bytes)) in [("onion service", ONION), ("exit", EXIT)]
        .into_iter()
        .enumerate()
    {
        let [bare, guarded] = &times[path];
        let ratios: Vec<f64> = bare.iter().zip(guarded).map(|(b, g)| b / g).collect();
        let rate = |times: &[f64]| bytes as f64 / MIB as f64 / spread(times)[1];
        let [low, median, high] = spread(&ratios);
        println!("{} MiB echoed, {name}, {rounds} rounds", bytes / MIB);
        println!("  bare arti-client {:6.2} MiB/s", rate(bare));
        println!("  guarded, facade  {:6.2} MiB/s", rate(guarded));
        println!(
            "  throughput {median:.3} x bare ({low:.3} to {high:.3}), of medians {:.3}",
            rate(guarded) / rate(bare)
        );
    }
}

/// Returns the 10th, 50th and 90th percentile.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [1, 5, 9].map(|tenths| values[values.len() * tenths / 10])
}

/// Returns the seconds until all bytes are echoed unchanged.
async fn timed(io: impl AsyncRead + AsyncWrite + Send + 'static, bytes: usize) -> f64 {
    let (mut read, mut write) = tokio::io::split(io);
    let chunk: Vec<u8> = (0..=250).cycle().step_by(31).take(CHUNK).collect();
    let begun = Instant::now();
    let sent = chunk.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..bytes / CHUNK {
            write.write_all(&sent).await.unwrap();
        }
        write.flush().await.unwrap();
        write
    });
    let mut back = vec![0; CHUNK];
    for _ in 0..bytes / CHUNK {
        read.read_exact(&mut back).await.unwrap();
        assert!(back == chunk);
    }
    let took = begun.elapsed().as_secs_f64();
    drop(sending.await.unwrap());
    took
}

/// Echoes bytes; Tor streams need a flush.
async fn echo(io: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = tokio::io::split(io);
    let mut buffer = vec![0; 32 << 10];
    while let Ok(bytes @ 1..) = read.read(&mut buffer).await {
        if write.write_all(&buffer[..bytes]).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

async fn tcp_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream));
        }
    });
    addr
}
