//! Idle peers that hold every place, and newcomers.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect, ended, ping};
use ron_lab::{Gateway, Lab};

/// The number of places, and of those held by active clients.
const PLACES: usize = 1000;
const BUSY: usize = 50;
const NEWCOMERS: usize = 1000;
/// Evicted connections that may still be closing.
const SURPLUS: f64 = 256.0;
/// Descriptors for both ends, with a margin.
const FILES: u64 = 4096;
/// Clearly longer than `evict_after`.
const IDLE: Duration = Duration::from_millis(1500);
/// The interval of a busy client's requests.
const EVERY: Duration = Duration::from_millis(300);

const REFUSE: &str = "[transport]\nmax_conns = 1000\nevict_after = '1s'\n";
const EVICT: &str = "[transport]\nmax_conns = 1000\nevict_after = '1s'\noverflow = 'evict'\n";

pub(super) const IDLE_CROWD: Drill = Drill {
    name: "evict-idle",
    fault: "950 idle and 50 busy clients hold all of max_conns = 1000, and newcomers connect",
    expected: "rejected_total{reason=\"conn_limit\"} grows; /readyz 200",
    cure: "overflow = evict, by reload: 1,000 newcomers are served, transport_closes_total{reason=\"evicted\"} grows, no busy client is cut",
    quick: true,
    run,
};

fn run(lab: &Lab, case: &mut Case) -> Outcome {
    more_files()?;
    let start = lab.gateway().config(&lab.write("gateway.toml", REFUSE)?);
    let gateway = start.spawn()?;
    gateway.admin.ready_while(|| {
        let mut idle = served(gateway.addr, PLACES - BUSY)?;
        let busy = served(gateway.addr, BUSY)?;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let talking = scope.spawn(|| talk(busy, &over));
            let seen = crowded(lab, &gateway, case, &mut idle);
            over.store(true, Ordering::Relaxed);
            let asked = talking.join().map_err(|_| "a busy client panicked")?;
            seen?;
            let asked = asked.map_err(|why| format!("a busy client was cut: {why}"))?;
            case.note(format!("{BUSY} busy clients: {asked} answers, none cut"));
            Ok::<_, Stop>(())
        })?;
        Ok(())
    })?;
    gateway.stop()?;
    Ok(())
}

fn crowded(lab: &Lab, gateway: &Gateway, case: &mut Case, idle: &mut [TcpStream]) -> Outcome {
    case.fault();
    let mut refused = connect(gateway.addr).map_err(|e| e.to_string())?;
    ensure(ended(&mut refused), || "a newcomer was admitted".into())?;
    let now = gateway.until("a refusal", |now| now.rejected("conn_limit") > 0.5)?;
    case.signal(format!("conn_limit {}", now.rejected("conn_limit")));
    thread::sleep(IDLE);
    case.cure();
    lab.write("gateway.toml", EVICT)?;
    gateway.reload("ok")?;
    let mut newcomers = served(gateway.addr, PLACES - BUSY)?;
    let most = gateway.scrape()?.inflight();
    // The newcomers hold every place that was idle; the others are admitted as places become free.
    for _ in PLACES - BUSY..NEWCOMERS {
        newcomers.swap_remove(0);
        thread::sleep(Duration::from_millis(5));
        newcomers.extend(served(gateway.addr, 1)?);
    }
    let then = gateway.scrape()?.since(&now);
    ensure(then.rejects() < 0.5, || {
        format!("{} rejects", then.rejects())
    })?;
    ensure(most <= PLACES as f64 + SURPLUS, || {
        format!("{most} connections for {PLACES} places")
    })?;
    for conn in idle.iter_mut() {
        ensure(ended(conn), || {
            "an evicted client is still connected".into()
        })?;
    }
    let evicted = then.value("transport_closes_total{backend=\"tcp\",reason=\"evicted\"}");
    case.recovered(format!(
        "{NEWCOMERS} of {NEWCOMERS} newcomers served, evicted {evicted}, {most} in flight at most"
    ));
    ensure(evicted >= (PLACES - BUSY) as f64 - 0.5, || {
        format!("{evicted} evicted")
    })
}

/// Opens clients that have received one answer each.
fn served(addr: SocketAddr, count: usize) -> Result<Vec<TcpStream>, String> {
    let one = |at| {
        let mut conn = connect(addr)?;
        ping(&mut conn, 64)
            .map_err(|e| std::io::Error::new(e.kind(), format!("client {at}: {e}")))?;
        Ok::<_, std::io::Error>(conn)
    };
    let all = (0..count).map(one).collect::<Result<Vec<_>, _>>();
    all.map_err(|e| e.to_string())
}

/// Sends requests until `over`; returns the number of answers.
fn talk(mut conns: Vec<TcpStream>, over: &AtomicBool) -> Result<usize, String> {
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        for conn in &mut conns {
            ping(conn, 64).map_err(|e| e.to_string())?;
            answers += 1;
        }
        thread::sleep(EVERY);
    }
    Ok(answers)
}

/// Raises the descriptor limit of this process and its gateways.
fn more_files() -> Outcome {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.map_or(true, |current| current >= FILES) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(FILES),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|e| Stop::Skip(format!("{FILES} descriptors are not allowed: {e}")))
}
