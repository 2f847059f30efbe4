//! The costs of a guard: bare tokio against guarded connections.
//!
//! Every limit is on. Prints ratios of the serving thread's CPU time, allocations per operation,
//! and memory per idle connection, from interleaved rounds of one run.
//!
//! `cargo xtask bench overhead [ROUNDS]`; fewer than 20 rounds are a smoke test, not a result.
// A bench may panic, its bare side spawns untracked tasks as a bare program would, and a server's
// thread owns its channel.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(clippy::needless_pass_by_value)]

mod client;
mod memory;
mod server;
mod stats;

use std::alloc::System;

use stats_alloc::{Region, StatsAlloc, INSTRUMENTED_SYSTEM};

use client::Client;
use server::{Counting, Mode, Server};
use stats::Series;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PING_PONGS: usize = 20_000;
const BULK_BYTES: usize = 256 << 20;

fn main() {
    let rounds: usize = std::env::args()
        .nth(1)
        .map_or(21, |text| text.parse().unwrap());
    println!("{rounds} interleaved rounds; CPU time of the serving thread alone\n");
    compare("64 B ping-pong", rounds, PING_PONGS, |client| {
        client.ping_pong(PING_PONGS);
    });
    compare("64 KiB bulk", rounds, BULK_BYTES >> 16, |client| {
        client.bulk(BULK_BYTES);
    });
    allocations();
    memory::report(ALLOCATOR);
}

/// Runs a load against every mode in alternating order, and prints medians.
fn compare(name: &str, rounds: usize, ops: usize, load: impl Fn(&mut Client)) {
    let mut series = Mode::ALL.map(|mode| Series::new(mode.name()));
    for round in 0..=rounds {
        let mut cpu = [0.0; Mode::ALL.len()];
        for at in 0..Mode::ALL.len() {
            let which = (at + round) % Mode::ALL.len();
            let server = Server::start(Mode::ALL[which], Counting::Prometheus);
            let mut client = Client::connect(server.addr());
            client.ping_pong(200);
            let before = server.cpu();
            load(&mut client);
            cpu[which] = server.cpu() - before;
        }
        // The first round warms caches and is dropped.
        if round > 0 {
            for (series, cpu_secs) in series.iter_mut().zip(cpu) {
                series.push(cpu_secs, cpu[0]);
            }
        }
    }
    println!("{name}");
    for series in &mut series {
        series.print(ops);
    }
    println!();
}

/// Counts allocations in steady state; the client's thread does not allocate.
///
/// A recorder may: the exporter keeps sampled sizes in blocks until a scrape or its upkeep.
fn allocations() {
    println!(
        "allocations over {SMALL_OPS} echoes of 64 B, and over {LARGE_OPS} of 64 KiB, steady state"
    );
    for mode in Mode::ALL {
        count(mode.name(), mode, Counting::Nobody);
    }
    count("with Prometheus", Mode::Guarded, Counting::Prometheus);
    println!();
}

const SMALL_OPS: usize = 10_000;
const LARGE_OPS: usize = 1_024;

fn count(name: &str, mode: Mode, counting: Counting) {
    let server = Server::start(mode, counting);
    let mut client = Client::connect(server.addr());
    client.ping_pong(1_000);
    let region = Region::new(ALLOCATOR);
    client.ping_pong(SMALL_OPS);
    let small = region.change().allocations;
    client.lockstep(64 << 10, 16);
    let region = Region::new(ALLOCATOR);
    client.lockstep(64 << 10, LARGE_OPS);
    let large = region.change().allocations;
    println!("  {name:<18} {small} and {large}");
}
