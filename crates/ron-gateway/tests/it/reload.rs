//! SIGHUP reloads the configuration; an invalid one changes nothing.

use std::fs;

use rustix::process::Signal;

use crate::common::{connect, echoes, refuses, Gateway};

const OK: &str = "transport_reloads_total{result=\"ok\"}";
const REJECTED: &str = "transport_reloads_total{result=\"rejected\"}";

#[test]
fn sighup_applies_valid_configuration_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    fs::write(&file, "[transport]\nmax_conns = 2\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    let (mut first, mut second) = (connect(gateway.addr), connect(gateway.addr));
    assert!(echoes(&mut first) && echoes(&mut second));
    assert!(refuses(gateway.addr));

    fs::write(&file, "[transport]\nmax_conns = 3\n").unwrap();
    gateway.signal(Signal::HUP);
    gateway.line_with(&["event=reload", "result=ok", "keys=max_conns"]);
    gateway.wait_metric(OK, 1);
    assert!(echoes(&mut connect(gateway.addr)));

    for (bad, named) in [
        ("[transport]\nmax_con = 9\n", "max_con"),
        (
            "[transport]\nmax_conns = 9\nread_timeout = \"soon\"\n",
            "read_timeout",
        ),
        (
            "[transport]\nmax_conns = 9\n[transport.tcp]\nbacklog = 9\n",
            "tcp.backlog",
        ),
        (
            "[gateway]\ndegraded_is_ready = true\n",
            "gateway.degraded_is_ready",
        ),
        ("no toml", "gateway.toml"),
    ] {
        fs::write(&file, bad).unwrap();
        gateway.signal(Signal::HUP);
        gateway.line_with(&["event=reload", "result=rejected", named]);
    }
    gateway.wait_metric(REJECTED, 5);
    fs::remove_file(&file).unwrap();
    gateway.signal(Signal::HUP);
    gateway.wait_metric(REJECTED, 6);

    // The last valid configuration is active: three connections fit, and the earlier ones continue.
    let mut third = connect(gateway.addr);
    assert!(echoes(&mut third) && echoes(&mut first) && echoes(&mut second));
    assert!(refuses(gateway.addr));
    gateway.wait_metric(OK, 1);
    gateway.stop();
}
