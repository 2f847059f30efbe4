//! A Tor network that fails and recovers.

use std::time::{Duration, Instant};

use ron_tornet::TorNet;

use crate::common::{pattern, refuses};
use crate::rig::{echo, exchange, on_tor, reach, ready, service, skip, tells_nothing, transitions};

/// Returns the time of a log line, in seconds of its day.
fn written(line: &str) -> f64 {
    let (_, time) = line.split_once('T').unwrap();
    let (time, _) = time.split_once('Z').unwrap();
    let parts = time.split(':').map(|part| part.parse::<f64>().unwrap());
    parts.fold(0.0, |sum, part| sum * 60.0 + part)
}

#[test]
fn lost_network_is_reported_and_recovers() {
    if skip("lost_network_is_reported_and_recovers") {
        return;
    }
    let net = TorNet::start().unwrap();
    net.cut_off().unwrap();
    let upstream = service(echo);
    let gateway = on_tor(&net)
        .args(&["--transport.arti.bootstrap-timeout", "5s"])
        .args(&["--transport.dial-timeout", "10s"])
        .args(&["--forward", &format!("tor://{upstream}")])
        .spawn();
    let begun = gateway.line_with(&["event=ready", "Degraded"]);
    let answer = gateway.get("/readyz");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.body,
        "{\"state\":\"degraded\",\"reason\":\"arti_bootstrap\"}\n"
    );
    let late = gateway.line_with(&["event=ready", "arti_bootstrap_timeout"]);
    let took = written(&late) - written(&begun);
    assert!((4.9..5.5).contains(&took), "{took}");
    let answer = gateway.get("/readyz");
    assert_eq!(
        answer.body,
        "{\"state\":\"not_ready\",\"reason\":\"arti_bootstrap_timeout\"}\n"
    );
    gateway.wait_metric("rejected_total{reason=\"arti_bootstrap\"}", 1);
    // Dials fail at once.
    let asked = Instant::now();
    assert!(refuses(gateway.addr));
    assert!(asked.elapsed() < Duration::from_secs(2));
    gateway.wait_metric("rejected_total{reason=\"arti_bootstrap\"}", 2);
    // One failure counts one reject.
    gateway.wait_metric("rejected_total{reason=\"upstream\"}", 0);

    net.restore().unwrap();
    let back = Instant::now();
    wait_ready(&gateway, back);
    println!("ready {:?} after the network was back", back.elapsed());
    let sent = pattern(1 << 20);
    let mut client = reach(&gateway);
    assert!(exchange(&mut client, &sent) == sent);

    // Network lost under traffic: open connections and dials end within their deadlines.
    net.cut_off().unwrap();
    let lost = Instant::now();
    let mut degraded = gateway.get("/readyz").status;
    while degraded == 200 {
        assert!(lost.elapsed() < Duration::from_secs(60));
        // Traffic reveals the loss.
        let _ = refuses(gateway.addr);
        degraded = gateway.get("/readyz").status;
    }
    println!("noticed {:?} after the network was lost", lost.elapsed());
    net.restore().unwrap();
    let back = Instant::now();
    wait_ready(&gateway, back);
    println!(
        "ready {:?} after the network was back again",
        back.elapsed()
    );
    let mut client = reach(&gateway);
    assert!(exchange(&mut client, &sent) == sent);
    drop(client);
    let log = gateway.stop();
    let states = transitions(&log);
    let twice = states.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "{states:?}");
    tells_nothing(&net, &log, &[&upstream.to_string()]);
}

/// Waits longer than usual for readiness: Arti has long pauses.
fn wait_ready(gateway: &crate::common::Gateway, since: Instant) {
    while gateway.get("/readyz").status != 200 {
        assert!(
            since.elapsed() < Duration::from_secs(120),
            "{}",
            gateway.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    ready(gateway);
}
