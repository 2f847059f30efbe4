//! The steps of all balancers: the client and the logs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use ron_lab::client::connect_from;
use ron_lab::process::{wait_for, Process, PATIENCE};
use serde_json::Value;

use crate::gateway::Gateway;
use crate::lab::{same, Lab};
use crate::table::Observed;

/// The client's address; the balancers use 127.0.0.1.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// A running balancer.
pub(super) struct Balancer {
    pub(super) process: Process,
    pub(super) addr: SocketAddr,
}

/// Returns an address with a port that is free now.
pub(super) fn free_addr() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let addr = listener.and_then(|listener| listener.local_addr());
    addr.map_err(|e| format!("no free port: {e}"))
}

/// Starts echo that trusts hops of the loopback network.
pub(super) fn behind(lab: &Lab, more: &[&str]) -> Result<Gateway, String> {
    let trusted = ["--transport.proxy.trusted", "127.0.0.1"];
    let required = ["--transport.proxy.required", "on"];
    Gateway::spawn(lab.gateway(), &[&trusted, &required, more].concat())
}

/// Starts forwarding to this target with a header of this version.
pub(super) fn before(lab: &Lab, target: &str, version: &str) -> Result<Gateway, String> {
    let start = lab.gateway().args(["--forward", target]).args(lab.trust());
    Gateway::spawn(start, &["--transport.proxy.send", version])
}

/// Connects from the client's address, once the program listens.
pub(super) fn client(to: SocketAddr) -> Result<TcpStream, String> {
    let connected = wait_for("a listening balancer", PATIENCE, || {
        Ok(connect_from(CLIENT, to).ok())
    });
    connected.map_err(|e| format!("{to}: {e}"))
}

/// Checks the echo of the payload; returns the client's address.
pub(super) fn echo(lab: &Lab, to: SocketAddr) -> Result<SocketAddr, String> {
    let stream = client(to)?;
    let addr = stream.local_addr().map_err(|e| e.to_string())?;
    let back = thread::scope(|scope| {
        // A failed write shows in the received bytes.
        scope.spawn(|| {
            (&stream)
                .write_all(&lab.payload)
                .and_then(|()| stream.shutdown(Shutdown::Write))
        });
        let mut back = Vec::new();
        let read = (&stream).read_to_end(&mut back);
        read.map_err(|e| format!("after {} bytes: {e}", back.len()))?;
        Ok::<_, String>(back)
    })?;
    same("echoed", &lab.payload, &back)?;
    Ok(addr)
}

/// Waits for the event about the header that announced this client.
pub(super) fn announced(gateway: &Gateway, client: SocketAddr) -> Result<Value, String> {
    let client = client.to_string();
    gateway.logs("proxy", |event| {
        let via = event["via"].as_str().unwrap_or_default();
        event["peer"] == client.as_str() && via.starts_with("127.0.0.1:")
    })
}

/// Checks a balancer in front: bytes, log and metric.
pub(super) fn in_front(
    lab: &Lab,
    gateway: Gateway,
    balancer: &Balancer,
    version: &str,
) -> Observed {
    let client = echo(lab, balancer.addr)?;
    let event = announced(&gateway, client)?;
    if event["version"] != version {
        return Err(format!("the log has the version {}", event["version"]));
    }
    let to = balancer.addr.to_string();
    if event["to"] != to.as_str() {
        return Err(format!("the log has the destination {}", event["to"]));
    }
    let closed = gateway.logs("close", |event| event["via"].is_string())?;
    if closed["peer"] != client.to_string().as_str() {
        return Err(format!("the close event has the peer {}", closed["peer"]));
    }
    counted(&gateway, version, "ok", 1)?;
    no_reject(&gateway)?;
    gateway.end()?;
    Ok(format!(
        "bytes exact; log: peer {client} to {to}, {version}"
    ))
}

/// Checks a balancer behind: bytes, and its log.
pub(super) fn in_back(
    lab: &Lab,
    gateway: Gateway,
    line: impl Fn(SocketAddr, SocketAddr) -> Result<String, String>,
) -> Observed {
    let client = echo(lab, gateway.addr)?;
    let line = line(client, gateway.addr)?;
    no_reject(&gateway)?;
    gateway.end()?;
    Ok(format!("bytes exact; peer's log: {line}"))
}

/// Waits for this number of headers.
pub(super) fn counted(
    gateway: &Gateway,
    version: &str,
    result: &str,
    least: u32,
) -> Result<(), String> {
    let labels = format!("version=\"{version}\",result=\"{result}\"");
    gateway.metric_reaches(&format!("proxy_headers_total{{{labels}}}"), least)
}

/// Checks that nothing was rejected.
pub(super) fn no_reject(gateway: &Gateway) -> Result<(), String> {
    let rejects = gateway.scrape()?.rejects();
    if rejects == 0.0 {
        return Ok(());
    }
    Err(format!("{rejects} rejects: {}", gateway.log()))
}
