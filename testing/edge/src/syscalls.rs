//! The gateway's system calls for a 64 KiB echo, by `strace`.

use std::fs;
use std::process::Command;

use ron_lab::client::pattern;
use ron_lab::process::{wait_for, Process, PATIENCE};
use ron_lab::Lab;
use rustix::process::Signal;

use crate::client::{exchange, Client, Kind, BYTES};
use crate::Seen;

const WARM: u32 = 100;
const TIMES: u32 = 2000;

/// The allowed system calls: twice the measured number.
///
/// That was 3.6 over TCP, where a read and a write move all available bytes, and 10 over TLS, which
/// reads record by record.
const fn allowed(kind: Kind) -> f64 {
    match kind {
        Kind::Tcp => 7.0,
        Kind::Tls => 20.0,
    }
}

pub(crate) fn measure(lab: &Lab, kind: Kind) -> Seen {
    let gateway = kind.start(lab, lab.gateway()).spawn()?;
    let client = Client::new(lab, kind, gateway.addr)?;
    let mut conn = client.open().map_err(|e| e.to_string())?;
    let sent = pattern(BYTES);
    exchange(conn.as_mut(), &sent, WARM)?;
    let file = lab.file("strace");
    let id = gateway.id().to_string();
    let tracing =
        Process::start(Command::new("strace").args(["-f", "-c", "-o", &file, "-p", &id]))?;
    wait_for("strace to attach", PATIENCE, || {
        let said = tracing.err.text();
        Ok((said.matches(" attached").count() > 0).then_some(()))
    })?;
    exchange(conn.as_mut(), &sent, TIMES)?;
    tracing.signal(Signal::INT)?;
    tracing.wait(PATIENCE)?;
    drop(conn);
    gateway.stop()?;
    let table = fs::read_to_string(&file).map_err(|e| format!("no counts of strace: {e}"))?;
    let calls = parse(&table);
    let each = |count: u64| count as f64 / f64::from(TIMES);
    let all = each(calls.iter().map(|(_, count)| count).sum());
    let most: Vec<_> = calls
        .iter()
        .take(5)
        .map(|(name, count)| format!("{name} {:.2}", each(*count)))
        .collect();
    let allowed = allowed(kind);
    // Each exchange needs at least a read and a write; fewer were not counted.
    let is_good = (2.0..=allowed).contains(&all);
    let text = format!(
        "{all:.1} for a 64 KiB echo (allowed {allowed}): {}",
        most.join(", ")
    );
    Ok((is_good, text))
}

/// Returns name and count of each call, the most frequent first.
fn parse(table: &str) -> Vec<(String, u64)> {
    let row = |line: &str| {
        // % time, seconds, usecs/call, calls, [errors,] name
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, count) = (words.last()?, words.get(3)?.parse().ok()?);
        let is_row = (5..=6).contains(&words.len()) && *name != "total";
        is_row.then(|| ((*name).to_owned(), count))
    };
    let mut rows: Vec<_> = table.lines().filter_map(row).collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strace_table_is_parsed() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ----------------\n \
                     60.00    0.600000           6    100000           recvfrom\n \
                     40.00    0.400000           2    200000      1000 epoll_wait\n\
                     ------ ----------- ----------- --------- --------- ----------------\n\
                     100.00    1.000000           3    300000      1000 total\n";
        let rows = parse(table);
        assert_eq!(
            rows,
            [
                ("epoll_wait".to_owned(), 200_000),
                ("recvfrom".to_owned(), 100_000)
            ]
        );
    }
}
