//! Resident memory by the number of open connections.

use crate::load_process::Load;
use crate::memory::resident;

use super::page::Table;
use super::{Bench, FRAMES, TCP_ECHO, TCP_RELAY, TLS_ECHO, TLS_FRAMES, TLS_RELAY};

const OPEN: [usize; 5] = [0, 1_000, 2_000, 4_000, 8_000];
const LARGE_BYTES: usize = 64 << 10;

pub(super) fn measure(bench: &Bench) -> Table {
    let services = [TCP_ECHO, TLS_ECHO, FRAMES, TLS_FRAMES, TCP_RELAY, TLS_RELAY];
    let mut columns = vec!["connections"];
    columns.extend(services.iter().map(|service| service.name));
    let title = "Resident memory in MiB, each connection idle after an echo of 64 B; a relayed one is a pair";
    let mut table = Table::new("memory", title, &columns);
    let mut rows = OPEN.map(|open| vec![open.to_string()]);
    let mut slopes = vec!["KiB for each".to_owned()];
    let mut after = vec![format!("{} after 64 KiB on each", OPEN[4])];
    for service in services {
        let (gateway, mut load) = (bench.gateway(service, 1), Load::start());
        let mut seen = Vec::new();
        for (row, open) in rows.iter_mut().zip(OPEN) {
            load.order(&service.hold(gateway.addr, open));
            seen.push(resident(gateway.pid()));
            row.push(mebibytes(seen[seen.len() - 1]));
        }
        slopes.push(format!(
            "{:.2}",
            (seen[4] - seen[1]) / (OPEN[4] - OPEN[1]) as f64
        ));
        load.order(&format!("exchange {LARGE_BYTES}"));
        after.push(mebibytes(resident(gateway.pid())));
    }
    for row in rows.into_iter().chain([after, slopes]) {
        table.row(row);
    }
    table
}

fn mebibytes(kibibytes: f64) -> String {
    format!("{:.1}", kibibytes / 1024.0)
}
