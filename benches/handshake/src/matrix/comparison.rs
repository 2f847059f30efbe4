//! Comparisons of the gateway with itself.
//!
//! They vary limits, open connections, peers, rules and workers.

mod section;

use std::fmt::Write as _;

use serde_json::{json, Value};

use super::cell::{Cell, Cost, CELLS};
use super::{peers, Bench};
use crate::clock;
use crate::load_process::Load;
use crate::servers::LIMITS;
use crate::stats::{median, Table};

pub(super) use section::{is_same, order, section};

/// A subject of a comparison, and how it differs from the others.
#[derive(Debug, Clone, Copy)]
enum Setup {
    LimitsOff,
    LimitsOn,
    /// Other connections that stay open and idle.
    Open(&'static str, u32),
    /// Entries of other peers in the table.
    Peers(&'static str, u32),
    /// Prefixes that are denied.
    Rules(&'static str, u32),
    Workers(&'static str, u32),
}

/// A load, and setups whose costs differ by a tolerance.
#[derive(Debug)]
struct Comparison {
    /// The cell whose load it runs.
    cell: &'static str,
    /// The first is the base.
    setups: &'static [Setup],
    /// The largest accepted ratio to the base.
    allowed: f64,
}

const fn compare(cell: &'static str, setups: &'static [Setup], allowed: f64) -> Comparison {
    Comparison {
        cell,
        setups,
        allowed,
    }
}

const LIMITS_SETUPS: &[Setup] = &[Setup::LimitsOff, Setup::LimitsOn];
const OPEN: &[Setup] = &[
    Setup::Open("100 open", 100),
    Setup::Open("1,000 open", 1_000),
    Setup::Open("9,000 open", 9_000),
];
const WORKERS: &[Setup] = &[
    Setup::Workers("1 worker", 1),
    Setup::Workers("2 workers", 2),
];

static WITH_LIMITS: &[Comparison] = &[
    compare("tcp-bulk", LIMITS_SETUPS, 1.05),
    compare("tcp-ping", LIMITS_SETUPS, 1.05),
    compare("tcp-connect", LIMITS_SETUPS, 1.05),
    compare("tls-bulk", LIMITS_SETUPS, 1.05),
    compare("tls-full", LIMITS_SETUPS, 1.05),
];

static GROWTH: &[Comparison] = &[
    compare("tcp-connect", OPEN, 1.10),
    compare("tcp-ping", OPEN, 1.10),
    compare(
        "tcp-connect",
        &[
            Setup::Peers("1 peer in the table", 0),
            Setup::Peers("100,000 peers in the table", 100_000),
        ],
        1.10,
    ),
    compare(
        "tcp-connect",
        &[
            Setup::Rules("no peers.deny", 0),
            Setup::Rules("10,000 prefixes in peers.deny", 10_000),
        ],
        1.10,
    ),
    compare("tcp-connect", WORKERS, 1.10),
    compare("tcp-ping", WORKERS, 1.10),
    compare("tls-full", WORKERS, 1.10),
];

/// Measures the comparisons that the options select, and returns their figures.
pub(super) fn run(bench: &Bench) -> Vec<Value> {
    let mut selected = Vec::new();
    if bench.options.limits {
        selected.extend(WITH_LIMITS);
    }
    if bench.options.growth {
        selected.extend(GROWTH);
    }
    selected.retain(|comparison| bench.options.wants(comparison.cell));
    let measured = selected.into_iter();
    measured
        .map(|comparison| comparison.measure(bench))
        .collect()
}

/// A running subject.
struct Subject {
    addr: std::net::SocketAddr,
    cpu: Box<dyn Fn() -> f64>,
    /// The other connections.
    _held: Option<Load>,
}

impl Comparison {
    fn measure(&self, bench: &Bench) -> Value {
        let cell = CELLS.iter().find(|cell| cell.name == self.cell).unwrap();
        let Cost::Cpu { per, unit, .. } = cell.cost else {
            panic!("{} measures no CPU time", cell.name);
        };
        let names: Vec<_> = self.setups.iter().map(Setup::name).collect();
        let mut load = Load::start();
        let start = |setup: &Setup| setup.start(bench, cell);
        let subjects: Vec<_> = self.setups.iter().map(start).collect();
        // A ratio near 1 needs more rounds than a ratio of two proxies.
        let rounds = 3 * bench.options.rounds;
        let cpu = |which: usize| (subjects[which].cpu)();
        let table = Table::measure(&names, rounds, cpu, |which| {
            cell.run(&mut load, subjects[which].addr);
        });
        table.print(cell.title, unit, per, &[0]);
        let costs = table.scaled(per);
        let base = &costs[0];
        let others = names.iter().zip(&costs).map(|(name, costs)| {
            let pairs = costs.iter().zip(base);
            let ratios: Vec<f64> = pairs.map(|(cost, base)| cost / base).collect();
            json!({
                "name": name, "median": median(costs), "rounds": costs, "ratio": median(&ratios),
            })
        });
        json!({
            "title": cell.title, "allowed": self.allowed, "subjects": others.collect::<Vec<_>>(),
        })
    }
}

impl Setup {
    const fn name(&self) -> &'static str {
        match self {
            Self::LimitsOff => "limits off",
            Self::LimitsOn => "limits on",
            Self::Open(name, _)
            | Self::Peers(name, _)
            | Self::Rules(name, _)
            | Self::Workers(name, _) => name,
        }
    }

    fn start(&self, bench: &Bench, cell: &Cell) -> Subject {
        if let Self::Peers(_, entries) = *self {
            let server = peers::start(entries);
            return Subject {
                addr: server.addr,
                cpu: Box::new(move || clock::of_thread(server.tid)),
                _held: None,
            };
        }
        let more = self.settings(bench);
        let more: Vec<_> = more.iter().map(|(key, value)| (&**key, &**value)).collect();
        let proxy = bench.gateway_with(cell.tls, bench.options.gateway.clone(), &more);
        let addr = proxy.addr;
        let held = match *self {
            Self::Open(_, count) => {
                let mut load = Load::start();
                load.order(&format!("hold-tcp {addr} {count}"));
                Some(load)
            }
            _ => None,
        };
        Subject {
            addr,
            cpu: Box::new(move || clock::of_tree(proxy.pid())),
            _held: held,
        }
    }

    /// Returns the settings that differ from those of the cells.
    fn settings(&self, bench: &Bench) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        let mut set = |key: &str, value: &str| settings.push((key.to_owned(), value.to_owned()));
        match *self {
            Self::LimitsOff => {
                set("transport.idle_timeout", "0s");
                set("transport.per_peer.max_conns", "0");
            }
            Self::LimitsOn => {
                let limits = LIMITS.iter().filter(|(key, _)| !key.ends_with("max_conns"));
                for (key, value) in limits {
                    set(&format!("transport.{key}"), value);
                }
                set("transport.limits.memory_bytes", "256MiB");
                // Serves the metrics.
                set("gateway.admin_addr", "127.0.0.1:0");
            }
            Self::Open(..) => {
                // Half of the descriptors of a forward, so that 9,000 are possible.
                set("gateway.mode", "echo");
                set("gateway.forward_to", "");
                set("transport.idle_timeout", "1h");
            }
            Self::Rules(_, count) => set("config", &rules_file(bench, count)),
            Self::Workers(_, count) => set("gateway.workers", &count.to_string()),
            Self::Peers(..) => {}
        }
        settings
    }
}

/// Writes a configuration that denies this many prefixes.
fn rules_file(bench: &Bench, count: u32) -> String {
    let mut list = String::new();
    for at in 0..count {
        let _ = write!(list, "\"10.{}.{}.0/24\", ", at / 250, at % 250);
    }
    let name = format!("rules-{count}.toml");
    let text = format!("[transport.peers]\ndeny = [{list}]\n");
    bench.dir_file(&name, &text)
}
