//! Mode `forward`, with upstreams of different behaviour.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{sync_channel, Receiver};
use std::thread;

use crate::common::{
    bound_to_nothing, connect, ended, field, pattern, read_all, refuses, round_trip, runtime,
    wait_for, Gateway,
};

/// Returns an upstream and its accepted connections.
fn upstream() -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, conns) = sync_channel(16);
    thread::spawn(move || {
        for conn in listener.incoming() {
            if sender.send(conn.unwrap()).is_err() {
                break;
            }
        }
    });
    (addr, conns)
}

fn forwarding(to: SocketAddr) -> Gateway {
    Gateway::start(&["--forward", &format!("tcp://{to}")])
}

#[test]
fn reply_after_half_close_is_delivered() {
    let (addr, conns) = upstream();
    let gateway = forwarding(addr);
    let reply = pattern(3 << 20);
    let expected = reply.clone();
    let serving = thread::spawn(move || {
        let mut conn = conns.recv().unwrap();
        // The client's half-close ends the request.
        let request = read_all(&mut conn);
        conn.write_all(&reply).unwrap();
        request
    });
    let request = pattern(1 << 20);
    let back = round_trip(connect(gateway.addr), &request);
    assert!(serving.join().unwrap() == request);
    assert!(back == expected, "{} bytes", back.len());
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    gateway.wait_metric("transport_closes_total{backend=\"tcp\",reason=\"eof\"}", 2);
}

#[test]
fn upstream_half_close_first_still_gets_data() {
    let (addr, conns) = upstream();
    let gateway = forwarding(addr);
    let mut client = connect(gateway.addr);
    let mut conn = conns.recv().unwrap();
    conn.write_all(b"banner").unwrap();
    conn.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), b"banner");
    client.write_all(b"after that").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut conn), b"after that");
}

#[test]
fn dead_upstream_ends_the_client_only() {
    let (socket, addr) = bound_to_nothing();
    let gateway = forwarding(addr);
    for n in 1..=2 {
        assert!(refuses(gateway.addr));
        gateway.wait_metric("rejected_total{reason=\"upstream\"}", n);
    }
    gateway.wait_metric("transport_dials_total{backend=\"tcp\",result=\"error\"}", 2);
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    let line = gateway.line_with(&["event=reject", "reason=upstream"]);
    assert!(field(&line, "conn_id").is_some(), "{line}");
    let listener = runtime().block_on(async { socket.listen(8).unwrap().into_std().unwrap() });
    listener.set_nonblocking(false).unwrap();
    let back = thread::spawn(move || read_all(&mut listener.accept().unwrap().0));
    assert_eq!(round_trip(connect(gateway.addr), b"hello"), b"");
    assert_eq!(back.join().unwrap(), b"hello");
}

#[test]
fn upstream_close_ends_the_client() {
    let (addr, conns) = upstream();
    let gateway = forwarding(addr);
    let mut client = connect(gateway.addr);
    client.write_all(b"x").unwrap();
    drop(conns.recv().unwrap());
    assert!(ended(&mut client));
}

#[test]
fn closed_connections_free_descriptors() {
    let (addr, conns) = upstream();
    let gateway = forwarding(addr);
    let before = gateway.metric("process_open_fds");
    thread::spawn(move || {
        for mut conn in conns {
            let request = read_all(&mut conn);
            conn.write_all(&request).unwrap();
        }
    });
    for _ in 0..300 {
        assert_eq!(round_trip(connect(gateway.addr), b"hello"), b"hello");
    }
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 0);
    wait_for("closed descriptors", || {
        (gateway.metric("process_open_fds") <= before).then_some(())
    });
}
