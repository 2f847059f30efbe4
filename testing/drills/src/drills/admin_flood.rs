//! Silent sockets and pipelined scrapes at the admin endpoint.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect, ping};
use ron_lab::{Gateway, Lab};

/// Silent sockets.
const SILENT: usize = 200;
/// Connections of one client that scrapes continuously.
const CONNS: usize = 12;
/// The maximum latency of `/readyz`.
const READY_WITHIN: Duration = Duration::from_millis(100);
/// The maximum ratio of echo latencies.
const SLOWER: f64 = 2.0;
/// Echoes of a turn, and the pause after each.
const ECHOES: usize = 400;
const EVERY: Duration = Duration::from_millis(5);
const EVICTED: &str = "ron_gateway_admin_evicted_total";

pub(super) const FLOOD: Drill = Drill {
    name: "admin-flood",
    fault: "200 silent sockets at the admin endpoint, and one client that scrapes /metrics on 12 connections at full speed",
    expected: "ron_gateway_admin_evicted_total and ron_gateway_admin_requests_total grow; /readyz 200 within 100 ms, a reload works, p99 of the data plane at most 2 x",
    cure: "keep the endpoint on loopback or a Unix socket; it recovers by itself when the flood ends",
    quick: true,
    run: flood,
};

fn flood(lab: &Lab, case: &mut Case) -> Outcome {
    let config = lab.file("admin.toml");
    std::fs::write(&config, "[transport]\nmax_conns = 1000\n").map_err(|e| e.to_string())?;
    let gateway = lab.gateway().config(&config).spawn()?;
    // Quiet and flooded turns alternate, so that other load of the machine affects both.
    let rounds = if case.mode.gates { 5 } else { 1 };
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let quiet = p99(gateway.addr)?;
        let flooded = flooded(&gateway, case, round == 0)?;
        ratios.push((flooded / quiet, quiet, flooded));
    }
    ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, quiet, flooded) = ratios[ratios.len() / 2];
    let line = format!(
        "echo p99 {:.2} ms, {:.2} ms during the flood ({ratio:.2} x, median of {rounds})",
        quiet * 1e3,
        flooded * 1e3,
    );
    case.gate(ratio <= SLOWER, line)?;
    case.cure();
    let before = gateway.scrape()?.value(EVICTED);
    for _ in 0..20 {
        gateway.is_ready()?;
    }
    let after = gateway.scrape()?.value(EVICTED);
    ensure((after - before).abs() < 0.5, || {
        format!("{} evictions without a flood", after - before)
    })?;
    case.recovered("no further eviction");
    gateway.stop()?;
    Ok(())
}

/// Returns the p99 of echoes during the flood, in seconds.
fn flooded(gateway: &Gateway, case: &mut Case, tell: bool) -> Result<f64, Stop> {
    let before = gateway.scrape()?;
    if tell {
        case.fault();
    }
    let admin = gateway.admin.addr();
    let silent = (0..SILENT).map(|_| connect(admin));
    let silent = silent.collect::<Result<Vec<_>, _>>();
    let silent = silent.map_err(|e| e.to_string())?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(admin, &over));
        let measured = measured(gateway, case, tell, &before);
        over.store(true, Ordering::Relaxed);
        let answers = asking
            .join()
            .map_err(|_| "a thread of the flood panicked")?;
        if tell {
            case.note(format!("{answers} scrapes answered during the flood"));
        }
        drop(silent);
        measured
    })
}

fn measured(
    gateway: &Gateway,
    case: &mut Case,
    tell: bool,
    before: &ron_lab::Scrape,
) -> Result<f64, Stop> {
    let now = gateway.until("the evictions", |now| {
        now.since(before).value(EVICTED) > 0.5
    })?;
    if tell {
        case.signal(format!("evicted {}", now.since(before).value(EVICTED)));
    }
    let p99 = p99(gateway.addr)?;
    if tell {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let asked = Instant::now();
            gateway.is_ready()?;
            slowest = slowest.max(asked.elapsed());
        }
        let line = format!("/readyz within {:.1} ms", slowest.as_secs_f64() * 1e3);
        case.gate(slowest <= READY_WITHIN, line)?;
        gateway.reload("ok")?;
        case.note("a reload ok");
    }
    Ok(p99)
}

/// Scrapes on every connection repeatedly; returns the number of answers.
///
/// Runs at the lowest priority: on a machine with few cores, the CPU time of this client would slow
/// the echoes, which is not the gateway's doing.
fn ask(to: SocketAddr, over: &AtomicBool) -> usize {
    let _ = rustix::process::nice(19);
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50);
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        // Some connections are evicted, and some reset because of pipelined requests.
        let mut conns: Vec<_> = (0..CONNS).filter_map(|_| connect(to).ok()).collect();
        for conn in &mut conns {
            let _ = conn.write_all(request.as_bytes());
        }
        for conn in &mut conns {
            let mut answer = Vec::new();
            let _ = conn.read_to_end(&mut answer);
            answers += usize::from(answer.starts_with(b"HTTP/1.1 200"));
        }
    }
    answers
}

/// Returns the 99th percentile of the echo latency, in seconds.
fn p99(to: SocketAddr) -> Result<f64, Stop> {
    let echoes = || {
        let mut conn = connect(to)?;
        let mut took = Vec::new();
        for _ in 0..ECHOES {
            took.push(ping(&mut conn, 1)?.as_secs_f64());
            thread::sleep(EVERY);
        }
        std::io::Result::Ok(took)
    };
    let mut took = echoes().map_err(|e| format!("an echo: {e}"))?;
    took.sort_by(f64::total_cmp);
    Ok(took[ECHOES * 99 / 100])
}
