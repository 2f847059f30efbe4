//! The latency of HTTP requests: the transport against axum on bare tokio-rustls.
//!
//! 10,000 requests over 100 TLS connections for each server and round. Prints medians of the
//! percentiles, and ratios of the 99th percentile, from interleaved rounds of one run.
//!
//! `cargo run --release -p ron-bench-http [ROUNDS]`; fewer than 20 rounds are a smoke test.
// A bench may panic, its bare side spawns untracked tasks as a bare program would, and a server's
// thread owns its channel.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(clippy::needless_pass_by_value)]

mod load;
mod server;
mod stats;
mod tls;

use load::Load;
use server::Kind;
use stats::{percentile, Series};
use tls::Tls;

fn main() {
    let rounds: usize = std::env::args()
        .nth(1)
        .map_or(21, |text| text.parse().unwrap());
    println!(
        "{rounds} interleaved rounds of {} requests over {} TLS connections, HTTP/1.1\n",
        load::CONNECTIONS * load::REQUESTS,
        load::CONNECTIONS
    );
    let tls = Tls::new();
    let servers = Kind::ALL.map(|kind| server::start(kind, &tls));
    let load = Load::new(&tls);
    let mut series = Kind::ALL.map(|kind| Series::new(kind.name()));
    let mut errors = [0; Kind::ALL.len()];
    for round in 0..=rounds {
        let mut tails = [0.0; Kind::ALL.len()];
        for at in 0..Kind::ALL.len() {
            let which = (at + round) % Kind::ALL.len();
            let mut outcome = load.run(servers[which]);
            errors[which] += outcome.errors;
            outcome.latencies.sort_unstable();
            tails[which] = percentile(&outcome.latencies, 99.0);
            // The first round warms caches and is dropped.
            if round > 0 {
                series[which].push_round(&outcome.latencies);
            }
        }
        if round > 0 {
            for (series, tail) in series.iter_mut().zip(tails) {
                series.push_ratio(tail / tails[0]);
            }
        }
    }
    for (series, errors) in series.iter_mut().zip(errors) {
        series.print(errors);
    }
    assert_eq!(errors, [0; Kind::ALL.len()], "requests failed");
}
