//! A Tor network that is down at the start, or fails later.

use std::time::{Duration, Instant};

use ron_lab::process::{run, wait_for, PATIENCE};
use ron_tornet::TorNet;

use super::Drill;
use crate::case::{ensure, Case, Outcome, Stop};
use ron_lab::client::{connect, ping};
use ron_lab::{Gateway, Lab, Start};

/// The runbook's promise for an outage: time to signal and recovery.
const WITHIN: Duration = Duration::from_secs(30);
/// The longest wait for Tor, whose own pauses are long.
const LONG: Duration = Duration::from_secs(150);
/// `Degraded` for longer than this fires an alert.
const DEGRADED_ALERT: Duration = Duration::from_secs(60);
/// A bootstrap timeout after the alert on `Degraded`.
const RAISED: Duration = Duration::from_secs(65);

pub(super) const STALL: Drill = Drill {
    name: "arti-stall",
    fault: "the Tor network is unreachable at the start",
    expected: "Degraded(\"arti_bootstrap\"), at arti.bootstrap_timeout \
               NotReady(\"arti_bootstrap_timeout\") and one reject arti_bootstrap; with a raised \
               timeout the alert on degraded over 60 s, then the one on not ready",
    cure: "bring the network back; roll forward",
    quick: false,
    run: stall,
};

pub(super) const RECOVER: Drill = Drill {
    name: "arti-recover",
    fault: "the Tor network fails under traffic",
    expected: "Degraded(\"arti_bootstrap\") within 30 s, dials refused as arti_bootstrap",
    cure: "bring the network back",
    quick: false,
    run: recover,
};

/// A private network, and its Arti configuration.
fn network(lab: &Lab) -> Result<(TorNet, String), Stop> {
    let args = ["check", "--transport.backend", "arti"];
    let checked = run(&mut lab.gateway().bare(&args), PATIENCE)?;
    if checked.err.contains("needs the feature `arti`") {
        return Err(Stop::Skip("the gateway is built without Tor".into()));
    }
    if ron_tornet::skip("drill") {
        return Err(Stop::Skip("tor is not installed".into()));
    }
    let net = TorNet::start().map_err(|e| e.to_string())?;
    let config = lab.write("arti.toml", &net.client_config())?;
    Ok((net, config))
}

/// Returns a gateway that forwards TCP to this target over Tor.
fn forward(lab: &Lab, config: &str, to: &Gateway) -> Start {
    let target = format!("tor://{}", to.addr);
    lab.gateway()
        .args(["--forward", &target, "--transport.amnesia", "on"])
        .args(["--transport.arti.config-path", config])
}

fn readyz(gateway: &Gateway) -> Result<String, String> {
    Ok(gateway.admin.get("/readyz")?.1)
}

fn becomes(gateway: &Gateway, what: &str) -> Result<(), String> {
    wait_for(what, LONG, || {
        Ok(readyz(gateway)?.contains(what).then_some(()))
    })
}

/// Checks that bytes are echoed over Tor.
fn carries(gateway: &Gateway) -> Result<(), String> {
    wait_for("an answer over Tor", LONG, || {
        let mut stream = connect(gateway.addr).map_err(|e| e.to_string())?;
        Ok(ping(&mut stream, 1024).ok().map(drop))
    })
}

fn stall(lab: &Lab, case: &mut Case) -> Outcome {
    let (net, config) = network(lab)?;
    net.cut_off().map_err(|e| e.to_string())?;
    let upstream = lab.gateway().spawn()?;
    case.fault();
    let limit = Duration::from_secs(5);
    let gateway = forward(lab, &config, &upstream)
        .args(["--transport.arti.bootstrap-timeout", "5s"])
        .spawn()?;
    let raised = forward(lab, &config, &upstream)
        .args([
            "--transport.arti.bootstrap-timeout",
            &format!("{}s", RAISED.as_secs()),
        ])
        .spawn()?;
    let begun = Instant::now();
    ensure(readyz(&gateway)?.contains("\"degraded\""), || {
        "the gateway is not degraded".into()
    })?;
    becomes(&gateway, "arti_bootstrap_timeout")?;
    let took = case.since_fault();
    case.signal(format!(
        "NotReady(\"arti_bootstrap_timeout\") {:.1} s after the start",
        took.as_secs_f64()
    ));
    let off = took.max(limit) - took.min(limit);
    case.gate(off <= Duration::from_millis(750), "within the timeout")?;
    let scrape = gateway.scrape()?;
    ensure(
        (scrape.rejected("arti_bootstrap") - 1.0).abs() < 0.5,
        || format!("rejected {} times", scrape.rejected("arti_bootstrap")),
    )?;
    if case.mode.gates {
        // Degraded for longer than the alert waits, then not ready.
        while begun.elapsed() < DEGRADED_ALERT + Duration::from_secs(1) {
            let level = raised.scrape()?.value("transport_readiness");
            ensure((level - 1.0).abs() < 0.5, || {
                format!("transport_readiness {level}")
            })?;
            std::thread::sleep(Duration::from_secs(1));
        }
        case.note("with a raised timeout: degraded over 60 s, the alert fires");
        let before = raised.scrape()?.became_not_ready();
        becomes(&raised, "arti_bootstrap_timeout")?;
        let after = raised.scrape()?.became_not_ready();
        ensure(after > before, || "no transition to not ready".into())?;
        case.note("then NotReady, the other alert fires");
    }
    case.cure();
    net.restore().map_err(|e| e.to_string())?;
    let back = Instant::now();
    becomes(&gateway, "\"ready\"")?;
    case.gate(
        back.elapsed() < WITHIN,
        format!(
            "Ready by itself {:.1} s after the network",
            back.elapsed().as_secs_f64()
        ),
    )?;
    becomes(&raised, "\"ready\"")?;
    gateway.stop()?;
    raised.stop()?;
    let next = forward(lab, &config, &upstream).spawn()?;
    becomes(&next, "\"ready\"")?;
    carries(&next)?;
    case.recovered("rolled forward, bytes are echoed");
    next.stop()?;
    Ok(())
}

fn recover(lab: &Lab, case: &mut Case) -> Outcome {
    let (net, config) = network(lab)?;
    let upstream = lab.gateway().spawn()?;
    let gateway = forward(lab, &config, &upstream).spawn()?;
    becomes(&gateway, "\"ready\"")?;
    carries(&gateway)?;
    let quiet = gateway.scrape()?;
    net.cut_off().map_err(|e| e.to_string())?;
    case.fault();
    // A connection is needed: only a dial notices the outage.
    wait_for("Degraded", LONG, || {
        let is_degraded = readyz(&gateway)?.contains("\"degraded\"");
        if !is_degraded {
            if let Ok(mut stream) = connect(gateway.addr) {
                let _ = ping(&mut stream, 16);
            }
        }
        Ok(is_degraded.then_some(()))
    })?;
    let took = case.since_fault();
    case.signal(format!("Degraded after {:.1} s", took.as_secs_f64()));
    case.gate(took < WITHIN, "within 30 s")?;
    let refused = connect(gateway.addr).map_err(|e| e.to_string())?;
    drop(refused);
    let rise = gateway.until("a dial refused", |scrape| {
        scrape.since(&quiet).rejected("arti_bootstrap") > 0.5
    })?;
    case.note(format!(
        "{} dials refused as arti_bootstrap",
        rise.since(&quiet).rejected("arti_bootstrap")
    ));
    case.cure();
    net.restore().map_err(|e| e.to_string())?;
    becomes(&gateway, "\"ready\"")?;
    carries(&gateway)?;
    case.recovered("Ready by itself, bytes are echoed");
    let took = case.to_recovery.unwrap_or(LONG);
    case.gate(took < WITHIN, "within 30 s")?;
    gateway.stop()?;
    Ok(())
}
