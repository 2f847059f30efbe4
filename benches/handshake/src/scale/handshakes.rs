//! TLS handshakes by the number of workers.
//!
//! Each worker has a client process. On two cores the clients of two workers take half of the
//! machine, so the rate per CPU second of the gateway counts.

use std::thread;
use std::time::Instant;

use crate::load_process::Load;
use crate::stats::median;
use crate::{clock, cores};

use super::page::Table;
use super::{Bench, TLS_ECHO};

const WORKERS: [usize; 2] = [1, 2];
const HANDSHAKES: usize = 2_000;
const ROUNDS: usize = 3;

pub(super) fn measure(bench: &Bench) -> Table {
    let mut table = Table::new(
        "handshakes",
        "TLS 1.3 handshakes with an echo of 64 B and a close: X25519, ECDSA P-256",
        &[
            "handshake",
            "workers",
            "per s beside the clients",
            "us CPU of the gateway",
            "cores that the gateway uses",
            "per s with a core for each worker",
        ],
    );
    for kind in ["full", "resumed"] {
        for workers in WORKERS {
            let [rate, cost, share] = of(bench, kind, workers);
            table.row([
                kind.to_owned(),
                workers.to_string(),
                format!("{rate:.0}"),
                format!("{:.0}", cost * 1e6),
                format!("{share:.2}"),
                format!("{:.0}", workers as f64 / cost),
            ]);
        }
    }
    table
}

/// Returns handshakes per second, CPU seconds of each, and used cores.
fn of(bench: &Bench, kind: &str, workers: usize) -> [f64; 3] {
    if workers > 1 {
        cores::both();
    }
    let gateway = bench.gateway(TLS_ECHO, workers);
    cores::measured();
    let mut loads: Vec<_> = (0..workers).map(|_| Load::start()).collect();
    let order = format!("{kind} {} {HANDSHAKES}", gateway.addr);
    let (mut rates, mut costs, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms caches.
    for round in 0..=ROUNDS {
        let (before, started) = (clock::of_tree(gateway.pid()), Instant::now());
        thread::scope(|scope| {
            for load in &mut loads {
                scope.spawn(|| load.order(&order));
            }
        });
        let took = started.elapsed().as_secs_f64();
        let used = clock::of_tree(gateway.pid()) - before;
        if round > 0 {
            let all = (HANDSHAKES * workers) as f64;
            rates.push(all / took);
            costs.push(used / all);
            shares.push(used / took);
        }
    }
    [median(&rates), median(&costs), median(&shares)]
}
