//! Memory above its limit.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, connect_from, echo, ended, flood, frame};
use ron_lab::process::wait_for;
use ron_lab::Lab;

const HOG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CONNS: usize = 100;
const MIB: f64 = 1024.0 * 1024.0;
/// The largest frame.
const FRAME: usize = 1 << 20;
/// The limit above the quiet memory, below one address's share.
const ROOM: f64 = 40.0 * MIB;
/// The time until freed memory is returned.
const BACK_WITHIN: Duration = Duration::from_secs(40);

pub(super) const SHORT_OF_MEMORY: Drill = Drill {
    name: "overload",
    fault: "one address fills its share of the memory budget, and that is above memory.pressure",
    expected: "/readyz 503 overload, rejected_total{reason=\"overload\"} grows; open connections are served",
    cure: "end the hog, or raise the limit: the gateway accepts again by itself below 90 %",
    quick: true,
    run,
};

fn run(lab: &Lab, case: &mut Case) -> Outcome {
    // The memory of a quiet gateway depends on the build.
    let quiet = lab.gateway().args(["--echo-frames"]).spawn()?;
    let calm = quiet.status("VmRSS:")? * 1024.0;
    quiet.stop()?;
    let limit = (calm + ROOM).max(16.0 * MIB);
    let limit = format!("{limit:.0}");
    let gateway = lab
        .gateway()
        .args(["--echo-frames", "--transport.write-timeout", "60s"])
        .args(["--gateway.memory.pressure", &limit])
        .spawn()?;
    let mut honest = connect(gateway.addr).map_err(|e| e.to_string())?;
    let sent = frame(1024);
    echo(&mut honest, &sent).map_err(|e| e.to_string())?;
    gateway.is_ready()?;
    let mut conns = hog(&gateway).map_err(|e| format!("the hog: {e}"))?;
    let (over, bytes) = (AtomicBool::new(false), frame(FRAME));
    thread::scope(|scope| -> Outcome {
        let flooding = scope.spawn(|| flood(&mut conns, &bytes, &over));
        case.fault();
        let seen = (|| -> Outcome {
            let (_, body) = wait_for("overload", BACK_WITHIN, || {
                let (status, body) = gateway.admin.get("/readyz")?;
                Ok((status == 503).then_some((status, body)))
            })?;
            ensure(body.contains("\"overload\""), || body.clone())?;
            let mut refused = connect(gateway.addr).map_err(|e| e.to_string())?;
            ensure(ended(&mut refused), || "a newcomer was admitted".into())?;
            let now = gateway.until("a refusal", |now| now.rejected("overload") > 0.5)?;
            let ratio = now.value("ron_gateway_memory_pressure_ratio");
            let event = gateway.logs("overload", |event| event["level"] == "warn")?;
            ensure(event["source"] == "memory.pressure", || event.to_string())?;
            case.signal(format!(
                "/readyz 503 {}, memory at {:.0} % of its limit",
                body.trim(),
                ratio * 100.0
            ));
            echo(&mut honest, &sent).map_err(|e| format!("an open connection: {e}"))?;
            case.note("a newcomer is refused as overload, an open connection is served");
            Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| "the hog panicked")?;
        seen
    })?;
    case.cure();
    drop(conns);
    wait_for("readiness", BACK_WITHIN, || {
        let (status, _) = gateway.admin.get("/readyz")?;
        Ok((status == 200).then_some(()))
    })?;
    let mut newcomer = connect(gateway.addr).map_err(|e| e.to_string())?;
    echo(&mut newcomer, &sent).map_err(|e| format!("a newcomer: {e}"))?;
    echo(&mut honest, &sent).map_err(|e| format!("an open connection: {e}"))?;
    case.recovered("/readyz 200 by itself, newcomers are served");
    gateway.stop()?;
    Ok(())
}

/// Opens connections with small receive buffers.
fn hog(gateway: &ron_lab::Gateway) -> std::io::Result<Vec<TcpStream>> {
    let one = |_| {
        let conn = connect_from(HOG, gateway.addr)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&conn, 4096)?;
        conn.set_nonblocking(true)?;
        Ok(conn)
    };
    (0..CONNS).map(one).collect()
}
