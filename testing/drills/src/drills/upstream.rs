//! A congested upstream, and one that comes and goes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use crate::relay::Relay;
use ron_lab::client::{connect, ended, ping, round_trip};
use ron_lab::process::{wait_for, PATIENCE};
use ron_lab::Lab;

/// The added round trip of a congested upstream, in milliseconds.
const CONGESTION: u64 = 300;
/// New connections before, during and after.
const FRESH: usize = 20;

pub(super) const CONGESTED: Drill = Drill {
    name: "upstream-congested",
    fault: "300 ms more to the upstream, without errors",
    expected:
        "tail of handshake_latency_seconds of dials grows; no reject, /readyz 200. Not shown: \
               open connections, whose answers come as late",
    cure: "relieve the upstream",
    quick: true,
    run: congested,
};

fn congested(lab: &Lab, case: &mut Case) -> Outcome {
    let upstream = lab.tls().spawn()?;
    let relay = Relay::to(upstream.addr)?;
    let target = format!("tls://localhost:{}", relay.addr.port());
    let front = lab
        .gateway()
        .args(["--forward", &target])
        .args(lab.trust())
        .spawn()?;
    let p95 = || -> Result<f64, String> {
        let before = front.scrape()?;
        fresh(front.addr)?;
        let rise = front.scrape()?.since(&before);
        rise.p95("tls")
            .ok_or("no handshake with the upstream".into())
    };
    let quiet = p95()?;
    let mut open = connect(front.addr).map_err(|e| e.to_string())?;
    let quick = ping(&mut open, 1024).map_err(|e| e.to_string())?;
    front.admin.ready_while(|| {
        let before = front.scrape()?;
        relay.set_round_trip(CONGESTION);
        case.fault();
        let slow = p95()?;
        case.signal(format!("handshake p95 in the bucket to {slow} s instead of {quiet} s"));
        let floor = Duration::from_millis(CONGESTION);
        ensure(slow >= floor.as_secs_f64(), || format!("p95 in the bucket to {slow} s"))?;
        let late = ping(&mut open, 1024).map_err(|e| e.to_string())?;
        ensure(late >= floor, || format!("an answer after {late:?} already"))?;
        let rise = front.scrape()?.since(&before);
        ensure(rise.rejects() < 0.5, || "rejects were counted".into())?;
        case.note(format!(
            "an open connection answers after {} ms instead of {} ms, which no metric shows; 0 rejects",
            late.as_millis(),
            quick.as_millis()
        ));
        Ok(())
    })?;
    case.cure();
    relay.set_round_trip(0);
    let relieved = p95()?;
    case.recovered(format!("p95 in the bucket to {relieved} s as before"));
    case.gate(relieved <= 0.08, "within the target of 0.08 s")?;
    drop(open);
    front.stop()?;
    Ok(())
}

/// Opens parallel connections, each with one answer.
fn fresh(to: SocketAddr) -> Result<(), String> {
    let one = || connect(to).and_then(|mut conn| ping(&mut conn, 1024));
    thread::scope(|scope| {
        let conns: Vec<_> = (0..FRESH).map(|_| scope.spawn(one)).collect();
        for conn in conns {
            let served = conn.join().map_err(|_| "a client panicked")?;
            served.map_err(|e| format!("a fresh connection: {e}"))?;
        }
        Ok(())
    })
}

/// The number of outages.
const FLAPS: u32 = 5;

pub(super) const FLAPPING: Drill = Drill {
    name: "upstream-flapping",
    fault: "the upstream stops and restarts, five times",
    expected: "while it is down: rejected_total{reason=\"upstream\"}, failed dials, /readyz 503 `upstream`; while it is up: no reject, /readyz 200",
    cure: "repair the upstream: the gateway recovers by itself",
    quick: true,
    run: flapping,
};

fn flapping(lab: &Lab, case: &mut Case) -> Outcome {
    let mut upstream = lab.gateway().spawn()?;
    let (addr, bytes) = (upstream.addr, 256 << 10);
    let front = lab
        .gateway()
        .args(["--forward", &format!("tcp://{addr}")])
        .spawn()?;
    let served = || {
        let carried = connect(front.addr).and_then(|conn| round_trip(&conn, bytes));
        carried.map_err(|e| format!("while the upstream is up: {e}"))
    };
    let failed = "transport_dials_total{backend=\"tcp\",result=\"error\"}";
    let ready = || {
        wait_for("/readyz 200", PATIENCE, || {
            Ok((front.admin.get("/readyz")?.0 == 200).then_some(()))
        })
    };
    let mut refused = 0.0;
    for flap in 1..=FLAPS {
        served()?;
        ready()?;
        upstream.kill()?;
        case.fault();
        wait_for("/readyz 503 after a refused client", PATIENCE, || {
            // The rest of the target ends by itself; each further client begins the next one.
            let is_over = match connect(front.addr) {
                Ok(mut conn) => ended(&mut conn),
                // The reset may arrive before the client has seen that it is connected.
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            };
            if !is_over {
                return Err("an answer without upstream".into());
            }
            refused += 1.0;
            front.until("the reject", |now| {
                now.rejected("upstream") >= refused && now.value(failed) >= refused
            })?;
            let (status, body) = front.admin.get("/readyz")?;
            match (status, body.contains("upstream")) {
                (503, true) => Ok(Some(())),
                (200, _) => Ok(None),
                _ => Err(format!("/readyz: {status} {body}")),
            }
        })?;
        let now = front.scrape()?;
        ensure(now.rejects() < refused + 0.5, || "other rejects".into())?;
        if flap == FLAPS {
            let (rejects, failed) = (now.rejected("upstream"), now.value(failed));
            case.signal(format!(
                "{rejects} rejects, {failed} failed dials of {refused}; /readyz 503 upstream"
            ));
        }
        case.cure();
        upstream = lab.gateway().bind(addr).spawn()?;
    }
    let carried = served()?;
    ready()?;
    case.recovered(format!(
        "{carried} bytes echoed each time it is up; /readyz 200"
    ));
    upstream.stop()?;
    front.stop()?;
    Ok(())
}
