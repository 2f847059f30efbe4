//! A gateway that is killed, restored, or rolled back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use super::Drill;
use crate::alerts;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, ended, ping, round_trip, tls, tls_config};
use ron_lab::Gateway;
use ron_lab::Lab;

/// Transfers in progress at the kill, and the bytes of each.
const TRANSFERS: usize = 8;
const BYTES: usize = 64 << 20;

pub(super) const KILLED: Drill = Drill {
    name: "kill-9",
    fault: "the gateway is killed in the middle of transfers",
    expected: "the scrape fails (up == 0); clients see their connections end, none hangs",
    cure: "start it again at the same address: no repair needed",
    quick: true,
    run: killed,
};

fn killed(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab.gateway().spawn()?;
    let (addr, admin) = (gateway.addr, gateway.admin.clone());
    thread::scope(|scope| {
        let transfer = || connect(addr).and_then(|conn| round_trip(&conn, BYTES));
        let load: Vec<_> = (0..TRANSFERS).map(|_| scope.spawn(transfer)).collect();
        gateway.until("transfers under way", |now| {
            now.inflight() >= TRANSFERS as f64 && now.sum("bytes_out_total") > 0.0
        })?;
        case.fault();
        gateway.kill()?;
        let scrape = admin.scrape();
        ensure(scrape.is_err(), || {
            "the admin endpoint still answers".into()
        })?;
        let broken = load.into_iter().map(thread::ScopedJoinHandle::join);
        let broken = broken.filter(|ended| matches!(ended, Ok(Err(_)))).count();
        ensure(broken > 0, || "no transfer was in progress".into())?;
        case.signal(format!(
            "no scrape; {broken} of {TRANSFERS} transfers end broken, none hangs"
        ));
        Ok::<_, crate::case::Stop>(())
    })?;
    case.cure();
    let gateway = lab.gateway().bind(addr).spawn()?;
    let conn = connect(addr).map_err(|e| e.to_string())?;
    let carried = round_trip(&conn, 1 << 20).map_err(|e| e.to_string())?;
    gateway.is_ready()?;
    case.recovered(format!(
        "starts at the same address, {carried} bytes echoed"
    ));
    gateway.stop()?;
    Ok(())
}

pub(super) const SECRETS: Drill = Drill {
    name: "secrets-restore",
    fault: "certificate and key are not mounted when it starts again",
    expected:
        "the running one continues; the start fails with 2, `tls cert read failed`, NotReady(\"tls\")",
    cure: "mount the secrets again, mode 0400, and start",
    quick: true,
    run: secrets,
};

fn secrets(lab: &Lab, case: &mut Case) -> Outcome {
    let (mount, store) = (lab.file("secrets"), lab.file("store"));
    let place = |into: &str| -> std::io::Result<()> {
        fs::create_dir(into)?;
        for (name, from) in [
            ("tls.crt", lab.pki.cert("server")),
            ("tls.key", lab.pki.key("server")),
        ] {
            let to = format!("{into}/{name}");
            fs::copy(from, &to)?;
            fs::set_permissions(to, fs::Permissions::from_mode(0o400))?;
        }
        Ok(())
    };
    place(&mount).map_err(|e| e.to_string())?;
    let start = lab
        .gateway()
        .tls(&format!("{mount}/tls.crt"), &format!("{mount}/tls.key"));
    let gateway = start.spawn()?;
    serves_tls(lab, &gateway)?;
    fs::rename(&mount, &store).map_err(|e| e.to_string())?;
    case.fault();
    gateway
        .admin
        .ready_while(|| Ok(serves_tls(lab, &gateway)?))?;
    let addr = gateway.addr;
    gateway.stop()?;
    let refusal = start.clone().bind(addr).refused()?;
    let said = refusal.says(2, "tls cert read failed")?;
    refusal.not_ready("tls")?;
    case.signal(format!("serves until it is stopped, then {said}"));
    case.cure();
    place(&mount).map_err(|e| e.to_string())?;
    let gateway = start.bind(addr).spawn()?;
    serves_tls(lab, &gateway)?;
    case.recovered("starts, the same certificate is verified");
    gateway.stop()?;
    Ok(())
}

fn serves_tls(lab: &Lab, gateway: &Gateway) -> Result<(), String> {
    let config = tls_config(lab)?;
    let conn = connect(gateway.addr).and_then(|conn| tls(&config, conn));
    let served = conn.and_then(|mut conn| ping(&mut conn, 1024));
    served.map(drop).map_err(|e| format!("a TLS client: {e}"))
}

/// Connections of the load before, during and after.
const LOAD: usize = 20;

pub(super) const ROLLBACK: Drill = Drill {
    name: "rollback",
    fault: "an upgrade with a configuration that refuses part of the load",
    expected: "rejects over 1 % of accepts, which they were not before",
    cure: "the previous program with the previous file",
    quick: true,
    run: rollback,
};

fn rollback(lab: &Lab, case: &mut Case) -> Outcome {
    let (previous, which) = match lab.previous() {
        Some(previous) => (previous, "the previous build"),
        None => (lab.gateway(), "the same build in place of the previous one"),
    };
    let old = previous.config(&lab.write("old.toml", "[transport]\nmax_conns = 100\n")?);
    let new = lab
        .gateway()
        .config(&lab.write("new.toml", "[transport]\nper_peer.max_conns = 4\n")?);
    let gateway = old.spawn()?;
    let (addr, baseline) = (gateway.addr, load(&gateway)?);
    gateway.stop()?;
    case.fault();
    let upgraded = new.bind(addr).spawn()?;
    let share = load(&upgraded)?;
    ensure(share > alerts::SHARE.max(baseline), || {
        format!("only {share}")
    })?;
    case.signal(format!(
        "rejects {:.0} % of accepts, before {:.0} %",
        share * 100.0,
        baseline * 100.0
    ));
    case.cure();
    upgraded.stop()?;
    let gateway = old.bind(addr).spawn()?;
    gateway.is_ready()?;
    let share = load(&gateway)?;
    ensure(share <= baseline, || format!("still {share}"))?;
    case.recovered(format!(
        "{which} and the old file: rejects {:.0} %",
        share * 100.0
    ));
    gateway.stop()?;
    Ok(())
}

/// Opens parallel connections; returns the share of rejects.
fn load(gateway: &Gateway) -> Result<f64, String> {
    let before = gateway.scrape()?;
    let conns = (0..LOAD).map(|_| connect(gateway.addr));
    let mut conns: Vec<_> = conns.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let mut turned_away = 0;
    for conn in &mut conns {
        if ping(conn, 1024).is_err() {
            ensure_ended(conn)?;
            turned_away += 1;
        }
    }
    let now = gateway.until("the rejects", |now| {
        now.since(&before).rejects() >= f64::from(turned_away)
    })?;
    Ok(alerts::reject_share(&now.since(&before)))
}

fn ensure_ended(conn: &mut std::net::TcpStream) -> Result<(), String> {
    if ended(conn) {
        return Ok(());
    }
    Err("a connection was neither served nor closed".into())
}
