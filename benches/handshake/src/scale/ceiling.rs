//! The number of connections at the limit of descriptors.
//!
//! With it the memory and the CPU time that the gateway uses then.

use std::fs;
use std::time::Duration;

use crate::clock;
use crate::load_process::Load;
use crate::memory::resident;

use super::page::Table;
use super::{Bench, Service, TCP_ECHO, TCP_RELAY};

/// More than the descriptors of a process allow.
const MOST: usize = 1_000_000;
const IDLE: Duration = Duration::from_secs(3);

pub(super) fn measure(bench: &Bench) -> Table {
    let mut table = Table::new(
        "ceiling",
        "Connections until the gateway refuses one, with `max_conns` above the descriptors",
        &[
            "service",
            "connections",
            "descriptors open / limit",
            "memory",
            "CPU while all are idle",
            "in this machine's memory",
        ],
    );
    for service in [TCP_ECHO, TCP_RELAY] {
        table.row(ceiling(bench, service));
    }
    table
}

fn ceiling(bench: &Bench, service: Service) -> [String; 6] {
    let (gateway, mut load) = (bench.gateway(service, 1), Load::start());
    let pid = gateway.pid();
    let base = resident(pid);
    let open = load.order(&format!("fill {} {MOST}", gateway.addr));
    let used = resident(pid);
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let before = clock::of_tree(pid);
    std::thread::sleep(IDLE);
    let cpu = (clock::of_tree(pid) - before) / IDLE.as_secs_f64();
    let all = kibibytes("/proc/meminfo", "MemTotal:");
    // The kernel's sockets are not part of the process; the estimate leaves half of the memory to them.
    let fit = (all / 2.0 - base) / ((used - base) / open as f64);
    [
        service.name.to_owned(),
        open.to_string(),
        format!("{descriptors} / {}", limit(pid)),
        format!("{:.0} MiB", used / 1024.0),
        format!("{:.2} % of a core", cpu * 100.0),
        format!(
            "{:.1} million in half of {:.0} GiB",
            fit / 1e6,
            all / f64::from(1 << 20)
        ),
    ]
}

/// Returns the soft limit of descriptors of a process.
fn limit(pid: u32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.unwrap().split_whitespace().nth(3).unwrap().to_owned()
}

fn kibibytes(file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
