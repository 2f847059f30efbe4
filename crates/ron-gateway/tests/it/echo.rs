//! Echo of bytes.

use std::net::Shutdown;

use crate::common::{connect, echoes, ended, pattern, round_trip, Gateway};

#[test]
fn eight_mebibytes_are_echoed() {
    let gateway = Gateway::start(&[]);
    let sent = pattern(8 << 20);
    let back = round_trip(connect(gateway.addr), &sent);
    assert!(
        back == sent,
        "{} of {} bytes, or other ones",
        back.len(),
        sent.len()
    );
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    for series in ["bytes_in_total", "bytes_out_total"] {
        gateway.wait_metric(&format!("{series}{{backend=\"tcp\"}}"), 8 << 20);
    }
    gateway.wait_metric("transport_closes_total{backend=\"tcp\",reason=\"eof\"}", 1);
    let log = gateway.stop();
    assert!(log.contains("event=close"), "{log}");
    assert!(log.contains("bytes_in=8388608 bytes_out=8388608"), "{log}");
}

#[test]
fn half_close_ends_idle_connection() {
    let gateway = Gateway::start(&["--echo"]);
    let mut idle = connect(gateway.addr);
    assert!(echoes(&mut idle));
    idle.shutdown(Shutdown::Write).unwrap();
    assert!(ended(&mut idle));
}
