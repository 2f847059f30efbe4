//! A full log disk.

use std::fs;

use ron_lab::process::{wait_for, PATIENCE};
use rustix::process::{prlimit, Pid, Resource, Rlimit, Signal};
use serde_json::Value;

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, ping};
use ron_lab::{Gateway, Lab};

const DROPPED: &str = "ron_gateway_log_lines_dropped_total";
/// Connections while the log cannot be written.
const CONNS: usize = 100;
/// The log bytes before the disk is full.
const ROOM: u64 = 40;
/// Writes the log to a file, and copies it to stdout.
const TO_FILE: &str =
    "tail -s 0.05 -n +1 -F --pid=$$ \"$0\" 2>/dev/null & exec \"$@\" >\"$0\" </dev/null";

pub(super) const FULL: Drill = Drill {
    name: "log-disk-full",
    fault: "the disk of the log is full (RLIMIT_FSIZE at the length of the file)",
    expected: "ron_gateway_log_lines_dropped_total grows; /readyz 200, every connection served, a reload works",
    cure: "free disk space; the log continues by itself, the next line reports the dropped lines",
    quick: true,
    run: full,
};

fn full(lab: &Lab, case: &mut Case) -> Outcome {
    let file = lab.file("log");
    fs::write(&file, "").map_err(|e| format!("cannot write {file}: {e}"))?;
    let gateway = lab
        .gateway()
        .before(&["sh", "-c", TO_FILE, &file])
        .spawn()?;
    let length = || fs::metadata(&file).map(|file| file.len());
    let length = || length().map_err(|e| format!("no log: {e}"));
    serve(&gateway, 1)?;
    gateway.logs("close", |_| true)?;
    let lost = gateway.admin.ready_while(|| {
        limit(&gateway, Some(length()? + ROOM))?;
        case.fault();
        serve(&gateway, CONNS)?;
        let now = gateway.until("a line that is dropped", |now| now.value(DROPPED) > 0.0)?;
        let (bytes, lost) = (length()?, now.value(DROPPED));
        case.signal(format!("{lost} lines dropped at the first scrape"));
        gateway.signal(Signal::HUP)?;
        let reloads = "transport_reloads_total{result=\"ok\"}";
        gateway.until("the reload", |now| now.value(reloads) >= 1.0)?;
        serve(&gateway, CONNS)?;
        ensure(length()? == bytes, || "the log grew".into())?;
        case.note(format!("all {} connections served, a reload ok", 2 * CONNS));
        Ok(lost)
    })?;
    case.cure();
    limit(&gateway, None)?;
    let event = gateway.logs("log", |_| true)?;
    let reported = event["dropped"].as_f64().unwrap_or_default();
    ensure(reported >= lost, || {
        format!("{reported} reported, {lost} dropped")
    })?;
    case.recovered(format!("event=log dropped={reported}"));
    let before = closes(&gateway);
    serve(&gateway, 1)?;
    wait_for("a line of the next connection", PATIENCE, || {
        Ok((closes(&gateway) > before).then_some(()))
    })?;
    let log = fs::read_to_string(&file).map_err(|e| format!("no log: {e}"))?;
    let torn = |line: &&str| serde_json::from_str::<Value>(line).is_err();
    let torn = log.lines().find(torn).map(str::to_owned);
    ensure(torn.is_none(), || format!("a line is torn: {torn:?}"))?;
    case.note("the log continues, no line is torn");
    gateway.stop()?;
    Ok(())
}

/// Opens connections one after the other, and checks that each is served.
fn serve(gateway: &Gateway, conns: usize) -> Result<(), String> {
    for _ in 0..conns {
        let served = connect(gateway.addr).and_then(|mut conn| ping(&mut conn, 64));
        served.map_err(|e| format!("a connection is not served: {e}"))?;
    }
    Ok(())
}

fn closes(gateway: &Gateway) -> usize {
    gateway.log().matches("\"event\":\"close\"").count()
}

/// Limits the file size of the process.
fn limit(gateway: &Gateway, bytes: Option<u64>) -> Result<(), String> {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    let pid = i32::try_from(gateway.id()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, limit)
        .map(drop)
        .map_err(|e| format!("cannot limit the file size: {e}"))
}
