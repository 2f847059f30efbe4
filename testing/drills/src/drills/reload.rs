//! Configuration changes of a running gateway.

use std::thread;

use rustix::process::Signal;

use super::Drill;
use crate::alerts;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, ended, ping, round_trip};
use ron_lab::Lab;

const REJECTED: &str = "transport_reloads_total{result=\"rejected\"}";
const GOOD: &str = "[transport]\nmax_conns = 2\n";

pub(super) const MISCONFIG: Drill = Drill {
    name: "misconfig-reload",
    fault: "a reload of a file with an error in it",
    expected: "reload rejected, the key named; last-good in force, /readyz 200, no connection cut",
    cure: "roll back the file, `check`, reload",
    quick: true,
    run: misconfig,
};

fn misconfig(lab: &Lab, case: &mut Case) -> Outcome {
    let start = lab.gateway().config(&lab.write("gateway.toml", GOOD)?);
    let gateway = start.spawn()?;
    let conns = [connect(gateway.addr), connect(gateway.addr)];
    let [mut first, mut second] = conns.map(|conn| conn.map_err(|e| e.to_string()));
    let still_two = |conns: [&mut Result<_, String>; 2]| -> Outcome {
        for conn in conns {
            ping(conn.as_mut().map_err(|e| e.clone())?, 1024).map_err(|e| e.to_string())?;
        }
        let third = connect(gateway.addr).map_err(|e| e.to_string());
        ensure(ended(&mut third?), || {
            "a third connection was admitted".into()
        })
    };
    still_two([&mut first, &mut second])?;
    gateway.admin.ready_while(|| {
        lab.write(
            "gateway.toml",
            "[transport]\nmax_conns = 9\nread_timeout = 'soon'\n",
        )?;
        case.fault();
        let event = gateway.reload("rejected")?;
        let error = event["error"].as_str().unwrap_or_default();
        ensure(error.contains("read_timeout"), || {
            format!("the key is not named: {event}")
        })?;
        gateway.until("the rejected reload", |now| now.value(REJECTED) >= 1.0)?;
        case.signal("result=rejected, names transport.read_timeout");
        still_two([&mut first, &mut second])?;
        case.note("two open connections continue, the third of max_conns = 2 is refused");
        let checked = start.command_of(&["check"])?;
        ensure(checked.status.code() == Some(2), || {
            "`check` accepts the file".into()
        })?;
        case.cure();
        lab.write("gateway.toml", GOOD)?;
        let checked = start.command_of(&["check"])?;
        ensure(checked.status.success(), || checked.err.clone())?;
        gateway.reload("ok")?;
        case.recovered("rolled back, result=ok, /readyz 200 throughout");
        still_two([&mut first, &mut second])
    })?;
    drop((first, second));
    gateway.stop()?;
    Ok(())
}

/// Connections of the load.
const LOAD: usize = 8;
/// Bytes of each connection, too many for the strict rate.
const BYTES: usize = 512 << 10;

pub(super) const STRANGLED: Drill = Drill {
    name: "rate-strangled",
    fault: "rates.per_conn_bytes_per_sec far below the load",
    expected: "rejected_total{reason=\"rate_limited\"} over 1 %, throttle_seconds_total{scope=\"conn\"} grows",
    cure: "raise the rate by reload: waiting transfers continue at once",
    quick: true,
    run: strangled,
};

fn strangled(lab: &Lab, case: &mut Case) -> Outcome {
    let strict = "[transport]\nrates.per_conn_bytes_per_sec = '16KiB'\n";
    let start = lab.gateway().config(&lab.write("gateway.toml", strict)?);
    let gateway = start.spawn()?;
    let before = gateway.scrape()?;
    gateway.admin.ready_while(|| {
        thread::scope(|scope| {
            case.fault();
            let transfer = || connect(gateway.addr).and_then(|conn| round_trip(&conn, BYTES));
            let load: Vec<_> = (0..LOAD).map(|_| scope.spawn(transfer)).collect();
            let throttled = "throttle_seconds_total{scope=\"conn\",direction=\"in\"}";
            let now = gateway.until("throttling", |now| {
                let rise = now.since(&before);
                alerts::too_many(&rise, "rate_limited") && rise.value(throttled) > 0.0
            })?;
            let share = alerts::share(&now.since(&before), "rate_limited");
            let seconds = now.value(throttled);
            case.signal(format!(
                "rate_limited {:.0} % of connections, {seconds:.0} s throttled",
                share * 100.0
            ));
            ensure(
                !load.iter().any(thread::ScopedJoinHandle::is_finished),
                || "a transfer ended at the strict rate".into(),
            )?;
            case.cure();
            lab.write("gateway.toml", "[transport]\n")?;
            gateway.reload("ok")?;
            for transfer in load {
                let carried = transfer.join().map_err(|_| "a client panicked")?;
                let carried = carried.map_err(|e| format!("a transfer broke: {e}"))?;
                ensure(carried == BYTES, || format!("{carried} bytes were echoed"))?;
            }
            case.recovered(format!(
                "{LOAD} transfers of {BYTES} bytes end, all bytes echoed"
            ));
            Ok(())
        })
    })?;
    let relieved = gateway.scrape()?;
    let conn = connect(gateway.addr).map_err(|e| e.to_string())?;
    round_trip(&conn, BYTES).map_err(|e| e.to_string())?;
    let after = gateway.scrape()?.since(&relieved);
    ensure(after.rejects() < 0.5, || "rejects continue".into())?;
    let took = case.to_recovery.unwrap_or_default().as_secs_f64();
    case.gate(took < 2.0, format!("recovered after {took:.1} s of 2 s"))?;
    gateway.signal(Signal::TERM)?;
    gateway.ended_well()?;
    Ok(())
}
