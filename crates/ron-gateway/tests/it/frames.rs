//! `echo_frames`: frames come back; what breaks the rules ends the connection.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::common::{aborted, connect, ended, pattern, read_all, round_trip, Gateway};

fn frame(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&len.to_be_bytes()[..], body].concat()
}

#[test]
fn frames_of_every_size_come_back() {
    let gateway = Gateway::start(&["--echo-frames"]);
    let sent: Vec<u8> = [0, 1, 65_536, 1 << 20, 5, 1 << 20]
        .into_iter()
        .flat_map(|len| frame(&pattern(len)))
        .collect();
    let back = round_trip(connect(gateway.addr), &sent);
    assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
    gateway.wait_metric("tasks_spawned_total{kind=\"writer\"}", 1);
}

#[test]
fn a_header_over_the_ceiling_is_refused_and_the_service_goes_on() {
    let gateway = Gateway::start(&["--echo-frames"]);
    let mut client = connect(gateway.addr);
    let before = frame(b"before");
    client.write_all(&before).unwrap();
    let mut back = vec![0; before.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, before);
    client.write_all(&(2_u32 << 20).to_be_bytes()).unwrap();
    assert!(ended(&mut client));
    gateway.wait_metric("rejected_total{reason=\"too_large\"}", 1);
    gateway.line_with(&["event=reject", "reason=too_large", "conn_id="]);
    let again = frame(b"again");
    assert_eq!(round_trip(connect(gateway.addr), &again), again);
}

#[test]
fn a_frame_that_is_not_finished_ends_in_a_timeout() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.read-timeout", "300ms"]);
    let mut client = connect(gateway.addr);
    client.write_all(&frame(b"whole")).unwrap();
    client.write_all(&[0, 0, 1, 0, 1]).unwrap();
    let mut whole = vec![0; frame(b"whole").len()];
    client.read_exact(&mut whole).unwrap();
    assert_eq!(whole, frame(b"whole"));
    assert!(aborted(&mut client));
    gateway.wait_metric("rejected_total{reason=\"timeout\"}", 1);
    gateway.wait_metric(
        "transport_closes_total{backend=\"tcp\",reason=\"timeout\"}",
        1,
    );
}

#[test]
fn a_client_that_owes_nothing_may_wait() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.read-timeout", "100ms"]);
    let mut client = connect(gateway.addr);
    std::thread::sleep(std::time::Duration::from_millis(400));
    client.write_all(&frame(b"late")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), frame(b"late"));
}
