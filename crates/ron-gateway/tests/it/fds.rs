//! Out of file descriptors: it keeps serving, does not spin, and recovers.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use crate::common::{connect, echoes, wait_for, Start};

#[test]
fn with_64_descriptors_200_connections_do_it_no_harm() {
    let gateway = Start::default().fd_limit(64).spawn();
    assert!((gateway.metric("process_max_fds") - 64.0).abs() < f64::EPSILON);
    let mut crowd: Vec<TcpStream> = (0..200).map(|_| connect(gateway.addr)).collect();
    // Those that got in are served.
    assert!(crowd.iter_mut().take(20).all(echoes));
    // The rest is refused, counted and logged.
    gateway.line_with(&["event=reject", "reason=conn_limit"]);
    gateway.wait_metric("transport_accepts_total{backend=\"tcp\"}", 200);
    // The last one is counted as accepted a moment before it is refused.
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
