//! Cost and rate of messages by the number of open connections.
//!
//! Messages go over all of them in turn, 64 at once. One worker has a core, clients and upstream have
//! the other.

use std::time::Duration;

use crate::clock;
use crate::load_process::Load;
use crate::stats::median;

use super::page::Table;
use super::{Bench, Service, TCP_RELAY, TLS_RELAY};

const OPEN: [usize; 5] = [64, 512, 2_048, 4_096, 8_192];
const SMALL: (usize, usize) = (16_384, 64);
const LARGE: (usize, usize) = (2_048, 64 << 10);
const ROUNDS: usize = 3;
/// The time for the gateway to finish the remaining work.
const SETTLE: Duration = Duration::from_millis(30);

pub(super) fn measure(bench: &Bench) -> Table {
    let mut table = Table::new(
        "connections",
        "Relayed messages over all open connections in turn, one worker",
        &[
            "service",
            "connections",
            "us CPU per 64 B",
            "per s beside the clients",
            "per s with a full core",
            "CPU s per GB echoed",
            "MB per s beside the clients",
            "MB per s with a full core",
        ],
    );
    for service in [TCP_RELAY, TLS_RELAY] {
        curve(bench, service, &mut table);
    }
    table
}

fn curve(bench: &Bench, service: Service, table: &mut Table) {
    let (gateway, mut load) = (bench.gateway(service, 1), Load::start());
    for open in OPEN {
        load.order(&service.hold(gateway.addr, open));
        let mut run = |(count, bytes): (usize, usize)| {
            let (mut costs, mut rates) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let before = clock::of_tree(gateway.pid());
                let millis = load.order(&format!("spread {count} {bytes}"));
                std::thread::sleep(SETTLE);
                costs.push((clock::of_tree(gateway.pid()) - before) / count as f64);
                rates.push(count as f64 / (millis as f64 / 1e3));
            }
            (median(&costs), median(&rates))
        };
        let (cost, rate) = run(SMALL);
        let (large_cost, large_rate) = run(LARGE);
        let bytes = LARGE.1 as f64;
        table.row([
            service.name.to_owned(),
            open.to_string(),
            format!("{:.1}", cost * 1e6),
            format!("{rate:.0}"),
            format!("{:.0}", 1.0 / cost),
            format!("{:.2}", large_cost / bytes * 1e9),
            format!("{:.0}", large_rate * bytes / 1e6),
            format!("{:.0}", bytes / large_cost / 1e6),
        ]);
    }
}
