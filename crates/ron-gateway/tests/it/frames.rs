//! Mode `echo_frames`: valid frames are echoed, invalid ones end the connection.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::common::{aborted, connect, ended, pattern, read_all, round_trip, Gateway};

fn frame(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&len.to_be_bytes()[..], body].concat()
}

#[test]
fn frames_of_all_sizes_are_echoed() {
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
fn oversized_frame_ends_its_connection_only() {
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
fn unfinished_frame_times_out() {
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
fn client_between_frames_may_be_silent() {
    let gateway = Gateway::start(&["--echo-frames", "--transport.read-timeout", "100ms"]);
    let mut client = connect(gateway.addr);
    std::thread::sleep(std::time::Duration::from_millis(400));
    client.write_all(&frame(b"late")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), frame(b"late"));
}
