//! Several listeners: labels, shared limits, sockets by name, and reloads.

mod addresses;
mod checks;
mod reloads;
mod sockets;
#[cfg(all(feature = "tls", feature = "uds"))]
mod with_tls;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use rustix::process::Signal;

use crate::common::{connect, echoes, field, refuses, wait_for, Gateway, Start};

/// A configuration file that is replaced by renames.
struct ConfigFile {
    dir: tempfile::TempDir,
}

impl ConfigFile {
    fn new(text: &str) -> Self {
        let file = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("gateway.toml")
    }

    fn write(&self, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path()).unwrap();
    }

    fn start(&self) -> Gateway {
        let path = self.path();
        let args = ["--config", path.to_str().unwrap()];
        Start::default().unbound().args(&args).spawn()
    }
}

/// Returns the logged address of a listener, once it has started.
fn addr_of(gateway: &Gateway, name: &str) -> SocketAddr {
    let line = gateway.line_with(&["event=start", &format!("transport={name} ")]);
    field(&line, "listen").unwrap().parse().unwrap()
}

/// Reloads, and waits for the result.
fn reload(gateway: &Gateway, result: &str) {
    let series = |result: &str| -> f64 {
        let scrape = gateway.get("/metrics").body;
        let wanted = format!("result=\"{result}\"");
        let lines = scrape
            .lines()
            .filter(|line| line.starts_with("transport_reloads_total") && line.contains(&wanted));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    };
    let before = series(result);
    gateway.signal(Signal::HUP);
    wait_for(&format!("a reload that is {result}"), || {
        (series(result) > before + 0.5).then_some(())
    });
}

const TWO: &str = "\
[transport]
max_conns = 3
[listeners.public]
bind_addr = '127.0.0.1:0'
[listeners.private]
bind_addr = '127.0.0.1:0'
mode = 'echo_frames'
";

#[test]
fn listeners_share_the_cap_and_have_labels() {
    let gateway = ConfigFile::new(TWO).start();
    let (public, private) = (addr_of(&gateway, "public"), addr_of(&gateway, "private"));
    let (mut one, mut two) = (connect(public), connect(public));
    assert!(echoes(&mut one) && echoes(&mut two));
    let mut three = connect(private);
    let frame = [0, 0, 0, 2, 7, 7];
    three.write_all(&frame).unwrap();
    let mut back = [0; 6];
    three.read_exact(&mut back).unwrap();
    assert_eq!(back, frame);
    assert!(refuses(public) && refuses(private));
    for (series, value) in [
        ("conn_inflight{transport=\"public\",backend=\"tcp\"}", 2),
        ("conn_inflight{transport=\"private\",backend=\"tcp\"}", 1),
        (
            "rejected_total{transport=\"public\",reason=\"conn_limit\"}",
            1,
        ),
        (
            "rejected_total{transport=\"private\",reason=\"conn_limit\"}",
            1,
        ),
        ("transport_readiness{transport=\"private\"}", 2),
    ] {
        gateway.wait_metric(series, value);
    }
    let status: serde_json::Value = serde_json::from_str(&gateway.get("/status").body).unwrap();
    assert_eq!(status["listeners"][0]["name"], "private");
    assert_eq!(status["listeners"][0]["mode"], "echo_frames");
    assert_eq!(status["listeners"][1]["listen"], public.to_string());
    let connections: serde_json::Value =
        serde_json::from_str(&gateway.get("/connections").body).unwrap();
    assert_eq!(connections["connections"].as_array().unwrap().len(), 3);
    drop((one, two, three));
    for name in ["public", "private"] {
        gateway.wait_metric(
            &format!("conn_inflight{{transport=\"{name}\",backend=\"tcp\"}}"),
            0,
        );
    }
    let log = gateway.stop();
    let sums: Vec<_> = log
        .lines()
        .filter(|line| line.contains("listeners=2"))
        .collect();
    assert_eq!(sums.len(), 1, "{log}");
    assert!(
        sums[0].contains("event=shutdown") && sums[0].contains("aborted=0"),
        "{log}"
    );
}

#[test]
fn drain_has_one_deadline_and_one_sum() {
    let file = ConfigFile::new(&format!(
        "[transport]\ndrain_timeout = '300ms'\n{}",
        &TWO[12..]
    ));
    let gateway = file.start();
    let mut all: Vec<TcpStream> = ["public", "private"]
        .map(|name| connect(addr_of(&gateway, name)))
        .into();
    // A half frame and an unread request: neither is idle.
    assert!(echoes(&mut all[0]));
    all[1].write_all(&[0, 0, 0, 9, 1]).unwrap();
    gateway.wait_metric("bytes_in_total{transport=\"private\",backend=\"tcp\"}", 5);
    let log = gateway.stop();
    let sum = log
        .lines()
        .find(|line| line.contains("listeners=2"))
        .unwrap();
    assert_eq!(field(sum, "open"), Some("2"), "{log}");
    let duration: u64 = field(sum, "duration_ms").unwrap().parse().unwrap();
    assert!((300..3000).contains(&duration), "{sum}");
}
