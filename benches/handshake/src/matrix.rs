//! Compares the gateway with nginx, `HAProxy` and a bare relay.
//!
//! A cell is a load. All subjects take turns within each round, and the CPU time of the subject's
//! process tree counts, not the elapsed time. Idle cells compare resident memory instead.

mod cell;
mod comparison;
mod options;
mod peers;
mod report;

use std::path::PathBuf;

use crate::clock;
use crate::load_process::Load;
use crate::memory::resident;
use crate::pki::Pki;
use crate::proxy::Proxy;
use crate::stats::{median, Table};
use crate::upstream;

use cell::{Cell, Cost, CELLS};
use options::Options;
use report::CellResult;

/// Connections of an idle cell; the difference of memory counts.
const IDLE: [u32; 2] = [500, 2_500];

/// Measures the cells that the arguments select, and writes the report.
pub(crate) fn run(args: &[&str]) {
    let options = Options::parse(args);
    let bench = Bench {
        pki: Pki::new(),
        upstream: upstream::start(),
        options,
    };
    let options = &bench.options;
    let compares = options.limits || options.growth;
    let cells = CELLS
        .iter()
        .filter(|cell| !compares && options.wants(cell.name));
    let results: Vec<_> = cells.map(|cell| bench.measure(cell)).collect();
    let compared = comparison::run(&bench);
    if let Some(dir) = &options.out {
        report::write(dir, options, &results, &compared);
    }
}

struct Bench {
    pki: Pki,
    upstream: std::net::SocketAddr,
    options: Options,
}

impl Bench {
    fn measure(&self, cell: &'static Cell) -> CellResult {
        let names = self.names(cell);
        let rounds = match cell.cost {
            Cost::Cpu { per, unit, .. } => {
                let mut load = Load::start();
                let proxies: Vec<_> = (0..names.len()).map(|at| self.start(cell, at)).collect();
                let cpu = |which: usize| clock::of_tree(proxies[which].pid());
                let table = Table::measure(&names, self.options.rounds, cpu, |which| {
                    cell.run(&mut load, proxies[which].addr);
                });
                let others: Vec<_> = (1..=2).collect();
                table.print(cell.title, unit, per, &others);
                table.scaled(per)
            }
            Cost::Memory => {
                let rounds = self.options.rounds.div_ceil(2);
                let mut seen = vec![Vec::new(); names.len()];
                for _ in 0..rounds {
                    for (at, seen) in seen.iter_mut().enumerate() {
                        seen.push(self.idle(cell, at));
                    }
                }
                println!("{}", cell.title);
                for (name, seen) in names.iter().zip(&seen) {
                    println!("  {name:<26} {:8.2} KiB  {seen:.2?}", median(seen));
                }
                println!();
                seen
            }
        };
        CellResult {
            cell,
            names,
            rounds,
        }
    }

    /// Returns the subjects: ours first, then nginx and `HAProxy`.
    fn names(&self, cell: &Cell) -> Vec<&'static str> {
        let mut names = vec!["gateway", "nginx", "HAProxy"];
        if !cell.tls {
            names.push("bare relay");
        }
        if self.options.also.is_some() {
            names.push("gateway before");
        }
        names
    }

    fn start(&self, cell: &Cell, at: usize) -> Proxy {
        let (pki, upstream) = (&self.pki, self.upstream);
        let logs = self.options.logs;
        match (self.names(cell)[at], cell.tls) {
            ("nginx", true) => Proxy::nginx(pki, upstream, logs),
            ("nginx", false) => Proxy::nginx_tcp(pki, upstream, logs),
            ("HAProxy", true) => Proxy::haproxy(pki, upstream, logs),
            ("HAProxy", false) => Proxy::haproxy_tcp(pki, upstream, logs),
            ("bare relay", _) => Proxy::bare_relay(pki, upstream),
            ("gateway before", _) => self.gateway(cell, self.options.also.clone()),
            _ => self.gateway(cell, self.options.gateway.clone()),
        }
    }

    fn gateway(&self, cell: &Cell, program: Option<PathBuf>) -> Proxy {
        self.gateway_with(cell.tls, program, &[])
    }

    /// Starts a gateway with these settings too, the last of which count.
    fn gateway_with(&self, tls: bool, program: Option<PathBuf>, more: &[(&str, &str)]) -> Proxy {
        let beside = || {
            let here = std::env::current_exe().unwrap();
            here.with_file_name("ron-gateway")
        };
        let program = program.unwrap_or_else(beside);
        let to = format!("tcp://{}", self.upstream);
        let (cert, key) = (self.pki.dir.file("cert.pem"), self.pki.dir.file("key.pem"));
        let mut settings = vec![
            ("gateway.mode", "forward"),
            ("gateway.forward_to", &*to),
            ("gateway.log.level", self.options.log_level()),
            ("transport.max_conns", "16000"),
            ("transport.per_peer.max_conns", "16000"),
        ];
        if tls {
            settings.extend([
                ("transport.backend", "tls"),
                ("transport.tls.cert_path", &*cert),
                ("transport.tls.key_path", &*key),
            ]);
        }
        settings.extend(more);
        Proxy::gateway_at(&program, &self.pki, &settings)
    }

    /// Writes a file of this run, and returns its path.
    fn dir_file(&self, name: &str, text: &str) -> String {
        self.pki.dir.write_private(name, text);
        self.pki.dir.file(name)
    }

    /// Returns KiB for each idle pair of connections, of a new process.
    fn idle(&self, cell: &Cell, at: usize) -> f64 {
        let (proxy, mut load) = (self.start(cell, at), Load::start());
        let order = if cell.tls { "hold" } else { "hold-tcp" };
        let [first, second] = IDLE.map(|count| {
            load.order(&format!("{order} {} {count}", proxy.addr));
            clock::pids(proxy.pid())
                .into_iter()
                .map(resident)
                .sum::<f64>()
        });
        (second - first) / f64::from(IDLE[1] - IDLE[0])
    }
}
