//! More connections than descriptors.

use std::time::Duration;

use ron_lab::process::{wait_for, PATIENCE};

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, ping};
use ron_lab::Lab;

/// The gateway's descriptors, and the connections.
const LIMIT: u32 = 64;
const CROWD: u32 = 200;
/// The minimum of admitted connections.
const SERVED: usize = 20;

pub(super) const EXHAUSTION: Drill = Drill {
    name: "fd-exhaustion",
    fault: "200 connections to a gateway with 64 file descriptors",
    expected: "rejected_total{reason=\"conn_limit\"} counts the rest exactly, process_open_fds near process_max_fds; /readyz 200, admitted ones served",
    cure: "raise LimitNOFILE; it recovers by itself as connections end",
    quick: true,
    run: exhaustion,
};

fn exhaustion(lab: &Lab, case: &mut Case) -> Outcome {
    let limit = format!("--nofile={LIMIT}");
    let few = lab.gateway().before(&["prlimit", &limit]).spawn()?;
    let addr = few.addr;
    few.admin.ready_while(|| {
        case.fault();
        let crowd = (0..CROWD).map(|_| connect(addr));
        let crowd = crowd.collect::<Result<Vec<_>, _>>();
        let mut crowd = crowd.map_err(|e| e.to_string())?;
        let now = few.until("all connections to be admitted or refused", |now| {
            now.inflight() + now.rejected("conn_limit") >= f64::from(CROWD)
        })?;
        let (open, most) = (now.value("process_open_fds"), now.value("process_max_fds"));
        let (inside, refused) = (now.inflight(), now.rejected("conn_limit"));
        ensure(inside + refused < f64::from(CROWD) + 0.5, || {
            format!("{inside} admitted, {refused} refused of {CROWD}")
        })?;
        case.signal(format!(
            "conn_limit {refused}, {inside} admitted, {open} of {most} descriptors"
        ));
        let busy = now.value("process_cpu_seconds_total");
        for conn in &mut crowd[..SERVED] {
            ping(conn, 1024).map_err(|e| format!("an admitted connection: {e}"))?;
        }
        std::thread::sleep(Duration::from_secs(1));
        let busy = few.scrape()?.value("process_cpu_seconds_total") - busy;
        case.gate(
            busy < 0.5,
            format!("{busy:.2} s of CPU time in the following second"),
        )?;
        case.cure();
        drop(crowd);
        wait_for("a free descriptor", PATIENCE, || {
            Ok(connect(addr).and_then(|mut conn| ping(&mut conn, 64)).ok())
        })?;
        case.recovered("serves again as connections end");
        Ok(())
    })?;
    few.stop()?;
    // More descriptors than connections: no refusal.
    let more = lab
        .gateway()
        .before(&["prlimit", "--nofile=1024"])
        .spawn()?;
    let crowd = (0..CROWD).map(|_| connect(more.addr));
    let crowd = crowd.collect::<Result<Vec<_>, _>>();
    let crowd = crowd.map_err(|e| e.to_string())?;
    let now = more.until("all connections", |now| now.inflight() >= f64::from(CROWD))?;
    ensure(now.rejects() < 0.5, || {
        "rejected with 1024 descriptors".into()
    })?;
    case.note(format!("with 1024 descriptors all {CROWD} are admitted"));
    drop(crowd);
    more.stop()?;
    Ok(())
}
