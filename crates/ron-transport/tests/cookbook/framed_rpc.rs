//! The framed calls, with the example's own client and with Python.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::{program, run, Ends, Server};

/// Sends requests and reads responses; defines `send(id, text)` and `receive()`.
const PYTHON: &str = r#"
import socket, struct, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
def send(id, text):
    payload = struct.pack(">Q", id) + text.encode()
    peer.sendall(struct.pack(">I", len(payload)) + payload)
def exactly(length):
    data = b""
    while len(data) < length:
        part = peer.recv(length - len(data))
        if not part:
            return None
        data += part
    return data
def receive():
    length = exactly(4)
    if length is None:
        return None
    payload = exactly(struct.unpack(">I", length)[0])
    return struct.unpack(">Q", payload[:8])[0], payload[8], payload[9:].decode()
"#;

fn python(script: &str, port: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("{PYTHON}\n{script}"), port]);
    command
}

#[test]
fn rpc_client_pipelines_its_calls() {
    let server = Server::start("framed_rpc", &["serve"], &[]);
    let mut client = Command::new(program("framed_rpc"));
    let target = format!("tcp://{}", server.at);
    client.args(["call", &target, "sleep 200", "hello", "grüße"]);
    let out = run(&mut client).unwrap();
    assert_eq!(out, "sleep 200: SLEEP 200\nhello: HELLO\ngrüße: GRÜSSE\n");
    server.terminate();
    assert_eq!(server.wait(), "aborted 0\n");
}

#[test]
fn rpc_answers_python_out_of_order() {
    let server = Server::start("framed_rpc", &["serve"], &[]);
    let script = "
send(7, 'sleep 300')
send(8, 'second')
assert receive() == (8, 0, 'SECOND')
assert receive() == (7, 0, 'SLEEP 300')
peer.shutdown(socket.SHUT_WR)
assert receive() is None
print('done')
";
    if let Some(out) = run(&mut python(script, server.port())) {
        assert_eq!(out, "done\n");
    }
}

#[test]
fn rpc_requests_over_the_cap_are_busy() {
    let server = Server::start("framed_rpc", &["serve"], &[]);
    let script = "
for id in range(1, 41):
    send(id, 'sleep 500')
answers = [receive() for _ in range(40)]
assert sorted(id for id, _, _ in answers) == list(range(1, 41))
assert [status for _, status, _ in answers] == [1] * 8 + [0] * 32, answers
send(41, 'later')
assert receive() == (41, 0, 'LATER')
print('done')
";
    if let Some(out) = run(&mut python(script, server.port())) {
        assert_eq!(out, "done\n");
    }
}

#[test]
fn rpc_drain_answers_requests_in_flight() {
    let server = Server::start("framed_rpc", &["serve"], &[]);
    let script = "
send(1, 'sleep 400')
send(2, 'started')
print(receive(), flush=True)
assert receive() == (0, 0, '')
send(3, 'on its way')
peer.shutdown(socket.SHUT_WR)
assert receive() == (3, 0, 'ON ITS WAY')
assert receive() == (1, 0, 'SLEEP 400')
assert receive() is None
print('done')
";
    let mut client = python(script, server.port());
    let mut client = match client.stdout(Stdio::piped()).spawn() {
        Ok(client) => Ends(client),
        Err(error) => {
            println!("skipped: python3: {error}");
            return;
        }
    };
    let mut out = BufReader::new(client.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "(2, 0, 'STARTED')\n");
    server.terminate();
    assert!(client.0.wait().unwrap().success());
    assert_eq!(server.wait(), "aborted 0\n");
}

#[test]
fn rpc_client_ends_after_the_goodbye() {
    let server = Server::start("framed_rpc", &["serve"], &[]);
    let mut client = Command::new(program("framed_rpc"));
    let target = format!("tcp://{}", server.at);
    client.args(["call", &target, "started", "sleep 500"]);
    let mut client = Ends(client.stdout(Stdio::piped()).spawn().unwrap());
    let mut out = BufReader::new(client.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "started: STARTED\n");
    // The other request is with the server, or on its way.
    server.terminate();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "sleep 500: SLEEP 500\n");
    assert!(client.0.wait().unwrap().success());
    assert_eq!(server.wait(), "aborted 0\n");
}
