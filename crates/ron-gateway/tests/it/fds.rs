//! Out of file descriptors: the gateway continues, and recovers.
//!
//! It does not spin.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{connect, echoes, wait_for, Start};

#[test]
fn gateway_survives_200_connections_with_64_fds() {
    let gateway = Start::default().max_fd(64).spawn();
    assert!((gateway.metric("process_max_fds") - 64.0).abs() < f64::EPSILON);
    let mut crowd: Vec<TcpStream> = (0..200).map(|_| connect(gateway.addr)).collect();
    // Accepted connections are served.
    assert!(crowd.iter_mut().take(20).all(echoes));
    // The others are refused, counted and logged.
    gateway.line_with(&["event=reject", "reason=conn_limit"]);
    gateway.wait_metric("transport_accepts_total{backend=\"tcp\"}", 200);
    // The last connection is counted as accepted just before it is refused.
    let refused = || gateway.metric("rejected_total{reason=\"conn_limit\"}");
    let inside = gateway.metric("conn_inflight{backend=\"tcp\"}");
    assert!((20.0..48.0).contains(&inside), "{inside}");
    wait_for("all others to be refused", || {
        (inside + refused() >= 200.0).then_some(())
    });
    assert!((inside + refused() - 200.0).abs() < f64::EPSILON);
    let busy = gateway.metric("process_cpu_seconds_total");
    for _ in 0..10 {
        assert_eq!(gateway.get("/healthz").status, 200);
        sleep(Duration::from_millis(100));
    }
    assert!(gateway.metric("process_open_fds") < 64.0);
    let busy = gateway.metric("process_cpu_seconds_total") - busy;
    assert!(busy < 0.7, "{busy} seconds of CPU in one");
    assert!(crowd.iter_mut().take(20).all(echoes));
    drop(crowd);
    wait_for("a free descriptor", || {
        let mut client = connect(gateway.addr);
        client
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        echoes(&mut client).then_some(())
    });
    let log = gateway.stop();
    assert!(log.lines().count() < 600, "{log}");
}

/// Silent connections to the admin endpoint do not exhaust the reserve.
#[test]
fn reload_and_watchdog_work_with_the_reserve() {
    for limit in [28, 32, 64, 100] {
        reload_with(limit);
    }
}

fn reload_with(limit: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (file, manager) = (dir.path().join("gateway.toml"), dir.path().join("notify"));
    fs::write(&file, "[transport]\nmax_conns = 1000\n").unwrap();
    let notify = UnixDatagram::bind(&manager).unwrap();
    let gateway = Start::default()
        .args(&["--config", file.to_str().unwrap()])
        .env("NOTIFY_SOCKET", manager.to_str().unwrap())
        .env("WATCHDOG_USEC", "100000")
        .max_fd(limit)
        .spawn();
    let crowd: Vec<TcpStream> = (0..100).map(|_| connect(gateway.addr)).collect();
    gateway.wait_metric("transport_accepts_total{backend=\"tcp\"}", 100);
    let silent: Vec<TcpStream> = (0..32).map(|_| connect(gateway.admin)).collect();
    // Accepted well before the reload.
    sleep(Duration::from_millis(300));
    gateway.signal(Signal::HUP);
    let reload = gateway.line_with(&["event=reload"]);
    assert!(reload.contains("result=ok"), "{limit}: {reload}");
    let mut buffer = [0; 64];
    notify.set_nonblocking(true).unwrap();
    while notify.recv(&mut buffer).is_ok() {}
    notify.set_nonblocking(false).unwrap();
    // Earlier than the timeout of silent connections.
    notify
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    for _ in 0..3 {
        notify.recv(&mut buffer).unwrap();
    }
    drop((crowd, silent));
    gateway.stop();
}
