//! New connections are refused while memory is above `memory.pressure`.

use std::io::Write;

use serde_json::json;

use crate::common::{connect, echoes, refuses, wait_for, Gateway, Start};

/// The least limit, in bytes; a build for tests is larger.
const LIMIT: u64 = 16 << 20;

/// Waits for the overload.
///
/// Partial frames fill memory if the program alone does not.
fn until_overloaded(gateway: &Gateway) {
    let mut held = Vec::new();
    let body = wait_for("overload", || {
        let ready = gateway.get("/readyz");
        if ready.status == 503 {
            return Some(ready.body);
        }
        let mut client = connect(gateway.addr);
        let part = vec![0; 256 << 10];
        // A newcomer may be refused meanwhile.
        let _ = client.write_all(&[0, 15, 0, 0]);
        let _ = client.write_all(&part);
        held.push(client);
        None
    });
    let expected = r#"{"state":"degraded","reason":"overload"}"#;
    assert_eq!(body.trim_end(), expected);
}

#[test]
fn newcomer_refused_above_memory_pressure() {
    let args = ["--echo-frames", "--gateway.memory.pressure", "16MiB"];
    let gateway = Start::default().args(&args).spawn();
    until_overloaded(&gateway);
    let before = gateway.metric("rejected_total{reason=\"overload\"}");
    assert!(refuses(gateway.addr));
    let after = gateway.metric("rejected_total{reason=\"overload\"}");
    assert!(after > before, "{before} {after}");
    assert!(gateway.metric("ron_gateway_memory_pressure_ratio") > 0.9);
    let limit = format!("limit_bytes={LIMIT}");
    let logged = [
        "event=overload",
        "level=warn",
        &limit,
        "source=memory.pressure",
    ];
    gateway.line_with(&logged);
    gateway.stop();
}

/// A listener that a reload adds is overloaded too.
#[test]
fn added_listener_refuses_while_overloaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let one = "[gateway]\nmemory.pressure = '16MiB'\n\
               [listeners.one]\nbind_addr = '127.0.0.1:0'\nmode = 'echo_frames'\n";
    std::fs::write(&file, one).unwrap();
    let args = ["--config", file.to_str().unwrap()];
    let gateway = Start::default().unbound().args(&args).spawn();
    until_overloaded(&gateway);
    let two = format!("{one}[listeners.two]\nbind_addr = '127.0.0.1:0'\n");
    std::fs::write(&file, two).unwrap();
    let line = gateway.line_with(&["event=start", "transport=two "]);
    let addr = crate::common::field(&line, "listen").unwrap();
    let addr = addr.parse().unwrap();
    let refused = "rejected_total{transport=\"two\",reason=\"overload\"}";
    wait_for("a refusal of the added listener", || {
        assert!(!echoes(&mut connect(addr)));
        (gateway.metric(refused) > 0.5).then_some(())
    });
    gateway.stop();
}

#[test]
fn history_has_samples_of_the_page() {
    let gateway = Gateway::start(&[]);
    assert!(echoes(&mut connect(gateway.addr)));
    let answer = wait_for("a sample", || {
        let answer = gateway.get("/status/history.json");
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("content-type: application/json"));
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        (json["samples"].as_array().unwrap().len() > 1).then_some(json)
    });
    assert_eq!(answer["every"], json!(5));
    let wanted = json!(["transport_accepts_total", {"backend": "tcp"}]);
    let series = answer["series"].as_array().unwrap();
    let at = series.iter().position(|one| *one == wanted).unwrap();
    let samples = answer["samples"].as_array().unwrap();
    let times: Vec<f64> = samples
        .iter()
        .map(|sample| sample[0].as_f64().unwrap())
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(answer["started"].as_f64().unwrap() <= times[0]);
    assert_eq!(samples.last().unwrap()[at + 1], json!(1));
    gateway.stop();
}
