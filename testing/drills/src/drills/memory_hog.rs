//! One peer that never reads its echoed frames, beside twenty honest ones.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect_from, echo, flood, frame};
use ron_lab::process::{wait_for, PATIENCE};
use ron_lab::{Gateway, Lab};

const HOG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CONNS: usize = 100;
const MIB: f64 = 1024.0 * 1024.0;
/// The largest frame.
const FRAME: usize = 1 << 20;
/// A quarter of the default budget, and the allowed growth of memory.
const SHARE: f64 = 64.0 * MIB;
const GROWTH: f64 = 70.0 * MIB;
const HONEST: u8 = 20;
/// The interval of an honest peer's requests, and their size.
const EVERY: Duration = Duration::from_millis(10);
const BYTES: usize = 1024;
const PHASE: Duration = Duration::from_millis(1200);
/// The maximum ratio of honest latencies.
const SLOWER: f64 = 1.5;
/// The deadline for freed memory, and the allowed ratio.
const BACK_WITHIN: Duration = Duration::from_secs(30);
const BACK_TO: f64 = 1.5;

pub(super) const GREEDY: Drill = Drill {
    name: "memory-hog",
    fault: "one address opens 100 connections, sends frames of 1 MiB and never reads their echo, beside 20 honest peers",
    expected: "memory_held_bytes at a quarter of memory_limit_bytes, throttle_seconds_total{scope=\"memory\"} grows; memory +70 MiB at most, honest p99 at most 1.5 x, /readyz 200",
    cure: "its share limits the peer; write_timeout, or a firewall, ends it, and the memory returns to the system",
    quick: true,
    run,
};

fn run(lab: &Lab, case: &mut Case) -> Outcome {
    // Longer than the drill, so that the hog stays connected.
    let gateway = lab
        .gateway()
        .args(["--echo-frames", "--transport.write-timeout", "60s"])
        .spawn()?;
    let rounds = if case.mode.gates { 9 } else { 1 };
    gateway.admin.ready_while(|| {
        honest(gateway.addr)?;
        let calm = gateway.status("VmRSS:")? * 1024.0;
        let (mut quiet, mut hogged, mut grown) = (Vec::new(), Vec::new(), 0_f64);
        for round in 0..rounds {
            quiet.push(honest(gateway.addr)?);
            if round == 0 {
                case.fault();
            }
            hogged.push(beside_hog(&gateway, case, round == 0)?);
            grown = grown.max(gateway.status("VmHWM:")? * 1024.0 - calm);
            if round + 1 == rounds {
                case.cure();
            }
            gateway.until("the end of the hog", |now| now.inflight() < 0.5)?;
        }
        let ratios = hogged.iter().zip(&quiet).map(|(hog, quiet)| hog / quiet);
        let ratio = median(ratios.collect());
        let (quiet, hogged) = (median(quiet) * 1e3, median(hogged) * 1e3);
        let line = format!(
            "honest p99 {quiet:.2} ms, {hogged:.2} ms beside the hog ({ratio:.2} x, median of {rounds})"
        );
        case.gate(ratio <= SLOWER, line)?;
        case.gate(
            grown <= GROWTH,
            format!("memory +{:.1} MiB at most", grown / MIB),
        )?;
        gateway.until("an empty budget", |now| {
            now.value("memory_held_bytes") < 0.5
        })?;
        let back = wait_for("the return of the memory", BACK_WITHIN, || {
            let now = gateway.status("VmRSS:")? * 1024.0;
            Ok((now <= calm * BACK_TO).then_some(now))
        })?;
        let line = format!("memory_held_bytes 0, memory {:.2} x of before", back / calm);
        case.recovered(line);
        Ok(())
    })?;
    gateway.stop()?;
    Ok(())
}

/// Returns the honest p99 beside the hog, in seconds.
fn beside_hog(gateway: &Gateway, case: &mut Case, tell: bool) -> Result<f64, Stop> {
    let before = gateway.scrape()?;
    let mut conns = hog(gateway.addr).map_err(|e| format!("the hog: {e}"))?;
    let (over, bytes) = (AtomicBool::new(false), frame(FRAME));
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&mut conns, &bytes, &over));
        let seen = (|| {
            let now = gateway.until("a full share", |now| {
                now.value("memory_held_bytes") > SHARE - FRAME as f64
            })?;
            let held = now.value("memory_held_bytes");
            // The free chunks of its connections come on top of its share.
            ensure(held < SHARE + FRAME as f64 * 8.0, || {
                format!("{held} bytes are held")
            })?;
            stalled(gateway)?;
            let p99 = honest(gateway.addr)?;
            let parked = "throttle_seconds_total{scope=\"memory\",direction=\"in\"}";
            let now =
                gateway.until("parked reads", |now| now.since(&before).value(parked) > 0.5)?;
            let parked = now.since(&before).value(parked);
            if tell {
                let held = held / MIB;
                case.signal(format!(
                    "memory_held_bytes {held:.1} MiB, reads parked for {parked:.0} s"
                ));
            }
            Ok::<_, Stop>(p99)
        })();
        over.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| "the hog panicked")?;
        seen
    })
}

/// Waits until the hog stalls: before that it is ordinary load.
fn stalled(gateway: &Gateway) -> Result<(), String> {
    const STILL: Duration = Duration::from_millis(200);
    let bytes = || Ok::<_, String>(gateway.scrape()?.sum("bytes_in_total"));
    wait_for("the stall of the hog", PATIENCE, || {
        let before = bytes()?;
        thread::sleep(STILL);
        Ok((bytes()? - before < 0.5).then_some(()))
    })
}

/// Opens connections with small receive buffers.
fn hog(to: SocketAddr) -> std::io::Result<Vec<TcpStream>> {
    let one = |_| {
        let conn = connect_from(HOG, to)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&conn, 4096)?;
        conn.set_nonblocking(true)?;
        Ok(conn)
    };
    (0..CONNS).map(one).collect()
}

/// Returns the 99th percentile of honest frame latencies, in seconds.
fn honest(to: SocketAddr) -> Result<f64, String> {
    let sent = frame(BYTES);
    let one = |peer: u8| {
        let mut conn = connect_from(Ipv4Addr::new(127, 0, 1, peer), to)?;
        let (until, mut waits) = (Instant::now() + PHASE, Vec::new());
        while Instant::now() < until {
            let started = Instant::now();
            echo(&mut conn, &sent)?;
            waits.push(started.elapsed().as_secs_f64());
            thread::sleep(EVERY);
        }
        Ok::<_, std::io::Error>(waits)
    };
    let mut waits = Vec::new();
    thread::scope(|scope| {
        let one = &one;
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

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
