//! The private Tor network, and gateways on it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

use ron_tornet::TorNet;

pub(crate) use ron_tornet::skip;

use crate::common::net::connect_unless_reset;
use crate::common::{echoes, wait_for, Gateway, Start};

/// Returns Arti's configuration file for a network.
pub(crate) fn config_path(net: &TorNet) -> String {
    let path: PathBuf = net.dir().join("gateway.toml");
    if !path.exists() {
        // Written atomically: tests of one process share it.
        let draft = tempfile::NamedTempFile::new_in(net.dir()).unwrap();
        fs::write(draft.path(), net.client_config()).unwrap();
        draft.persist(&path).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// Returns a gateway that uses Tor with amnesia.
pub(crate) fn on_tor(net: &TorNet) -> Start {
    Start::default()
        .args(&["--transport.arti.config-path", &config_path(net)])
        .args(&["--transport.amnesia", "on", "--gateway.log.level", "trace"])
}

/// Returns such a gateway that listens as an onion service.
pub(crate) fn onion_service(net: &TorNet) -> Start {
    on_tor(net)
        .unbound()
        .args(&["--transport.backend", "arti"])
        .args(&["--transport.arti.onion-service.enabled", "on"])
}

/// Returns the onion name, which only `/status` shows.
pub(crate) fn onion_name(gateway: &Gateway) -> String {
    let status = gateway.get("/status").body;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let name = status["listen"].as_str().unwrap().to_owned();
    assert!(name.ends_with(".onion"), "{name}");
    name
}

/// Waits until `/readyz` returns 200.
pub(crate) fn ready(gateway: &Gateway) {
    wait_for("Ready", || {
        (gateway.get("/readyz").status == 200).then_some(())
    });
}

/// Sends everything and reads as much, without a half-close.
pub(crate) fn exchange(stream: &mut TcpStream, sent: &[u8]) -> Vec<u8> {
    let mut reader = stream.try_clone().unwrap();
    let mut back = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(|| stream.write_all(sent).unwrap());
        reader.read_exact(&mut back).unwrap();
    });
    back
}

/// Connects through a gateway to an echo over Tor.
///
/// Dials may fail until a new onion service is found, or until a restored network carries traffic.
pub(crate) fn reach(gateway: &Gateway) -> TcpStream {
    wait_for("an echo", || {
        let mut stream = connect_unless_reset(gateway.addr)?;
        echoes(&mut stream).then_some(stream)
    })
}

/// Starts a TCP service with this handler.
pub(crate) fn service(handle: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || handle(stream.unwrap()));
        }
    });
    addr
}

/// Echoes to the end.
pub(crate) fn echo(mut stream: TcpStream) {
    let mut reader = stream.try_clone().unwrap();
    // Ignore clients that disconnect.
    let _ = std::io::copy(&mut reader, &mut stream);
}

/// Returns the readiness states in a log.
pub(crate) fn transitions(log: &str) -> Vec<String> {
    let ready = log.lines().filter(|line| line.contains(" event=ready "));
    ready
        .map(|line| {
            let (_, state) = line.split_once(" state=").unwrap();
            let end = state.find(" reason=").unwrap_or(state.len());
            state[..end].replace(['\\', '"'], "")
        })
        .collect()
}

/// Checks that a log contains no secret, relay or onion name.
pub(crate) fn tells_nothing(net: &TorNet, log: &str, secrets: &[&str]) {
    use ron_tornet::Node;
    assert!(log.contains(" event=ready "), "an empty log:\n{log}");
    let relays = Node::ALL.map(|node| net.or_addr(node).to_string());
    let relays = relays.iter().map(String::as_str);
    for secret in secrets.iter().copied().chain(relays).chain([".onion"]) {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret} is in the log");
    }
}

/// Returns the in-memory directory of a gateway's Tor client.
pub(crate) fn memory_of(gateway: &Gateway) -> PathBuf {
    let open = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap();
    let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("ron-transport-arti-")
    };
    open.into_iter().find(is_one).unwrap()
}
