//! One peer that floods, beside twenty honest ones.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect_from, pattern, ping};
use ron_lab::Gateway;
use ron_lab::Lab;

/// The connection cap; the hot peer opens ten times as many.
const CAP: usize = 20;
/// The byte rate; the hot peer offers ten times as many.
const RATE: usize = 1 << 20;
const TIMES: usize = 10;
const HOT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const HONEST: u8 = 20;
/// The interval of an honest peer's requests, and their size.
const EVERY: Duration = Duration::from_millis(10);
const BYTES: usize = 1024;
/// The duration of a quiet or flooded turn.
const PHASE: Duration = Duration::from_millis(1200);
/// The maximum ratio of honest latencies.
const SLOWER: f64 = 1.5;
/// The allowed growth of memory: table entry and admitted buffers.
const GROWTH: f64 = 16.0 * 1024.0 * 1024.0;

pub(super) const FLOOD: Drill = Drill {
    name: "hot-peer",
    fault: "one address opens 10 x its cap and sends at 10 x its rate, beside 20 honest peers",
    expected: "rejected_total by peer_limit and rate_limited, peer_conns_max at the cap; honest p99 at most 1.5 x, /readyz 200, memory flat",
    cure: "per_peer.max_conns and rates.per_peer_bytes_per_sec limit the peer; a firewall, or the producer, ends the flood",
    quick: true,
    run: flood,
};

fn flood(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab
        .gateway()
        .args(["--transport.per-peer.max-conns", &CAP.to_string()])
        .args(["--transport.rates.per-peer-bytes-per-sec", "1MiB"])
        .spawn()?;
    // Quiet and flooded turns alternate, so that other load of the machine affects both.
    let rounds = if case.mode.gates { 9 } else { 1 };
    gateway.admin.ready_while(|| {
        // One full round first, so that all memory of an honest load is allocated.
        honest(gateway.addr, PHASE)?;
        let calm = gateway.scrape()?;
        let (mut quiet, mut hot, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let before = gateway.scrape()?;
            let undisturbed = honest(gateway.addr, PHASE)?;
            let rise = gateway.scrape()?.since(&before);
            ensure(rise.rejects() < 0.5, || "rejects without a flood".into())?;
            if round == 0 {
                case.fault();
            }
            let flooded = flooded(&gateway, case, round == 0)?;
            quiet.push(undisturbed);
            hot.push(flooded);
            ratios.push(flooded / undisturbed);
            gateway.until("the end of the hot peer", |now| now.inflight() < 0.5)?;
        }
        let memory = "process_resident_memory_bytes";
        let grown = gateway.scrape()?.value(memory) - calm.value(memory);
        let (quiet, hot, ratio) = (median(quiet), median(hot), median(ratios));
        let line = format!(
            "honest p99 {:.2} ms, {:.2} ms during the flood ({ratio:.2} x, median of {rounds})",
            quiet * 1e3,
            hot * 1e3,
        );
        case.gate(ratio <= SLOWER, line)?;
        let line = format!("memory {:+.1} MiB", grown / 1024.0 / 1024.0);
        ensure(grown < GROWTH, || line.clone())?;
        case.note(line);
        case.cure();
        gateway.until("the end of the hot peer", |now| now.inflight() < 0.5)?;
        let before = gateway.scrape()?;
        honest(gateway.addr, PHASE)?;
        let after = gateway.scrape()?.since(&before);
        ensure(after.rejects() < 0.5, || "rejects continue".into())?;
        case.recovered("the flood is over, no further reject");
        Ok(())
    })?;
    gateway.stop()?;
    Ok(())
}

/// Returns the honest p99 beside the hot peer, in seconds.
fn flooded(gateway: &Gateway, case: &mut Case, tell: bool) -> Result<f64, Stop> {
    let before = gateway.scrape()?;
    let crowd = (0..CAP * TIMES).map(|_| connect_from(HOT, gateway.addr));
    let crowd = crowd.collect::<Result<Vec<_>, _>>();
    let crowd = crowd.map_err(|e| e.to_string())?;
    let refused = (CAP * (TIMES - 1)) as f64;
    let now = gateway.until("the refusals", |now| {
        now.since(&before).rejected("peer_limit") >= refused
    })?;
    let most = now.value("peer_conns_max{backend=\"tcp\"}");
    let rise = now.since(&before).rejected("peer_limit");
    ensure(
        (rise - refused).abs() < 0.5 && (most - CAP as f64).abs() < 0.5,
        || format!("{rise} refused, {most} connections of one peer"),
    )?;
    if tell {
        case.signal(format!("peer_limit {rise}, peer_conns_max {most}"));
    }
    let (over, started) = (AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        let floods: Vec<_> = crowd
            .iter()
            .map(|conn| scope.spawn(|| send(conn, &over)))
            .collect();
        let backs: Vec<_> = crowd
            .iter()
            .map(|conn| scope.spawn(|| receive(conn)))
            .collect();
        let p99 = honest(gateway.addr, PHASE);
        over.store(true, Ordering::Relaxed);
        for conn in &crowd {
            // Refused connections have ended already.
            let _ = conn.shutdown(Shutdown::Both);
        }
        for flood in floods {
            flood.join().map_err(|_| "the hot peer panicked")?;
        }
        let mut back = 0;
        for receiving in backs {
            back += receiving.join().map_err(|_| "the hot peer panicked")?;
        }
        let now = gateway.scrape()?;
        let limited = now.since(&before).rejected("rate_limited");
        ensure(limited > 0.5, || "the hot peer was not throttled".into())?;
        // The burst and the bytes in transit are less than a second's worth.
        let seconds = started.elapsed().as_secs_f64();
        let rate = back as f64 / seconds;
        ensure(rate < RATE as f64 * (1.0 + 1.0 / seconds), || {
            format!("the hot peer received {rate:.0} bytes/s")
        })?;
        if tell {
            let rate = rate / 1024.0;
            case.note(format!(
                "rate_limited {limited}, at 10240 KiB/s {rate:.0} get through"
            ));
        }
        ensure(
            now.value("peer_conns_max{backend=\"tcp\"}") <= CAP as f64,
            || "more connections than the cap".into(),
        )?;
        Ok(p99?)
    })
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Sends this connection's part of ten times the rate.
fn send(mut conn: &TcpStream, over: &AtomicBool) {
    let tick = Duration::from_millis(20);
    let part = pattern(RATE * TIMES / CAP / 50);
    while !over.load(Ordering::Relaxed) && conn.write_all(&part).is_ok() {
        thread::sleep(tick);
    }
}

/// Reads the echo; returns its size.
fn receive(mut conn: &TcpStream) -> usize {
    let (mut buffer, mut all) = (vec![0; 64 << 10], 0);
    while let Ok(read) = conn.read(&mut buffer) {
        if read == 0 {
            break;
        }
        all += read;
    }
    all
}

/// Returns the 99th percentile of honest latencies, in seconds.
///
/// Each peer has its own address. Fails if one is refused or gets no answer.
fn honest(to: SocketAddr, phase: Duration) -> Result<f64, String> {
    let one = |peer: u8| {
        let mut conn = connect_from(Ipv4Addr::new(127, 0, 1, peer), to)?;
        let (until, mut waits) = (Instant::now() + phase, Vec::new());
        while Instant::now() < until {
            waits.push(ping(&mut conn, BYTES)?.as_secs_f64());
            thread::sleep(EVERY);
        }
        Ok::<_, std::io::Error>(waits)
    };
    let mut waits = Vec::new();
    thread::scope(|scope| {
        let peers: Vec<_> = (1..=HONEST).map(|n| scope.spawn(move || one(n))).collect();
        for peer in peers {
            let waited = peer.join().map_err(|_| "an honest peer panicked")?;
            waits.extend(waited.map_err(|e| format!("an honest peer: {e}"))?);
        }
        Ok::<_, String>(())
    })?;
    waits.sort_by(f64::total_cmp);
    let at = waits.len() * 99 / 100;
    waits.get(at).copied().ok_or("no honest answers".into())
}
