//! OpenSSL's command line: `s_client`, and `s_server -rev`.
//!
//! The server reverses each line.

use std::process::Command;

use rustix::process::Signal;

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::peers::revoked::{self, CommandLine};
use crate::peers::{ends, replicas, Peer};
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, version, Ended, Process, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "openssl",
    quick: true,
    version: |_| {
        let said = version("openssl", &["version"])?;
        Ok(said.split(' ').nth(1).unwrap_or_default().to_owned())
    },
    run: all,
};

const REFUSED: &str = "refused, with the reason";

fn all(lab: &Lab, table: &mut Rows<'_>) {
    let (ca, stranger) = (lab.pki.cert("ca"), lab.pki.cert("stranger-ca"));
    table.row(
        Side::Server,
        "s_client, end in order",
        "bytes exact, eof",
        || echo(lab),
    );
    table.row(
        Side::Server,
        "s_client killed: no close_notify",
        "truncated",
        || cut(lab),
    );
    table.row(
        Side::Server,
        "s_client, two sessions",
        "the second resumed",
        || resume(lab),
    );
    table.row(Side::Server, "s_client -tls1_2", REFUSED, || {
        refused(
            lab,
            &["-tls1_2", "-CAfile", &ca],
            "the peer does not speak TLS 1.3",
        )
    });
    table.row(
        Side::Server,
        "s_client that trusts another CA",
        REFUSED,
        || refused(lab, &["-CAfile", &stranger], "alert unknown_ca"),
    );
    for (check, reason) in [("FIN", "eof"), ("RST", "reset")] {
        let (row, expected) = (
            format!("TCP connect and {check}, no byte"),
            format!("{reason}, no reject"),
        );
        table.row(Side::Server, &row, &expected, || {
            ends::health_check(lab, reason)
        });
    }
    table.row(Side::Server, "s_time -new", "no reject", || timed(lab));
    table.row(Side::Client, "s_server -rev", "bytes exact, eof", || {
        reversed(lab)
    });
    table.row(Side::Client, "s_server -tls1_2", REFUSED, || {
        old_server(lab)
    });
    revoked::rows(lab, table, &COMMAND_LINE);
    replicas::rows(lab, table);
}

const COMMAND_LINE: CommandLine = CommandLine {
    client: "s_client",
    server: "s_server",
    connect: |lab, gateway| {
        let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
        let process = exchange(lab, gateway, &["-cert", &cert, "-key", &key])?;
        honest_end(process).map(drop)
    },
    serve: |lab| several(lab, "2"),
    kx: "x25519",
};

/// Returns an `s_client` that prints only the received bytes.
fn client(lab: &Lab, gateway: &Gateway, more: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    let connect = gateway.addr.to_string();
    command.args(["s_client", "-connect", &connect, "-servername", "localhost"]);
    command.args(["-quiet", "-no_ign_eof", "-brief", "-verify_return_error"]);
    command.args(["-verify_hostname", "localhost"]);
    if !more.contains(&"-CAfile") {
        command.args(["-CAfile", &lab.pki.cert("ca")]);
    }
    command.args(more);
    command
}

/// Sends lines and waits for their echo; the connection stays open.
///
/// `s_client` takes some bytes at the start of a read for commands; no line begins with one.
fn exchange(lab: &Lab, gateway: &Gateway, more: &[&str]) -> Result<Process, String> {
    let mut process = Process::start(&mut client(lab, gateway, more))?;
    process.write(lab.text.as_bytes())?;
    let enough = |bytes: &[u8]| (bytes.len() >= lab.text.len()).then_some(());
    process.out.wait(enough);
    same("echoed", lab.text.as_bytes(), &process.out.bytes())?;
    Ok(process)
}

/// Closes the input, which `s_client` answers with `close_notify`.
fn honest_end(process: Process) -> Result<Ended, String> {
    let ended = process.wait(PATIENCE)?;
    if ended.status.success() {
        Ok(ended)
    } else {
        Err(format!(
            "s_client ended with {}: {}",
            ended.status, ended.err
        ))
    }
}

fn echo(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = honest_end(exchange(lab, &gateway, &[])?)?;
    // "Server Temp Key", "Peer Temp Key" or "Negotiated TLS1.3 group", depending on the version.
    if !ended.err.contains("X25519") || ended.err.contains("MLKEM") {
        return Err(format!("s_client reports no X25519: {}", ended.err));
    }
    gateway.handshakes("x25519", false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    Ok("bytes exact, eof, kx x25519 (peer and metric)".into())
}

fn cut(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let process = exchange(lab, &gateway, &[])?;
    process.signal(Signal::KILL)?;
    gateway.closed("truncated", 1)?;
    gateway.closed("eof", 0)?;
    gateway.stop()?;
    Ok("bytes exact, close reason truncated".into())
}

fn resume(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let session = lab.path("session.pem").to_string_lossy().into_owned();
    honest_end(exchange(lab, &gateway, &["-sess_out", &session])?)?;
    honest_end(exchange(lab, &gateway, &["-sess_in", &session])?)?;
    gateway.handshakes("x25519", false, 1)?;
    gateway.handshakes("x25519", true, 1)?;
    gateway.stop()?;
    Ok("bytes exact twice, the second resumed (metric)".into())
}

/// It closes each connection without `close_notify` and leaves its tickets unread.
fn timed(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let mut command = Command::new("openssl");
    command.args(["s_time", "-new", "-time", "1", "-connect"]);
    command.arg(gateway.addr.to_string());
    let ended = run(command.args(["-CAfile", &lab.pki.cert("ca")]), PATIENCE)?;
    let said = String::from_utf8_lossy(&ended.out);
    // "123 connections in 0.12s; 1000.00 connections/user sec, bytes read 0"
    let count = said.lines().find_map(|line| {
        let (count, _) = line.split_once(" connections in ")?;
        count.parse().ok()
    });
    let count = count.ok_or_else(|| format!("no connections: {said}{}", ended.err))?;
    ends::no_failure(&gateway, count)?;
    gateway.stop()?;
    Ok(format!("{count} handshakes, no reject"))
}

fn refused(lab: &Lab, more: &[&str], why: &str) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = run(&mut client(lab, &gateway, more), PATIENCE)?;
    if ended.status.success() {
        return Err("s_client was admitted".into());
    }
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}

/// Starts a server for one connection and returns its port.
fn server(lab: &Lab, more: &[&str]) -> Result<(Process, u16), String> {
    start_server(lab, "1", more)
}

/// Starts a server for this many connections and returns its port.
fn several(lab: &Lab, count: &str) -> Result<(Process, u16), String> {
    start_server(lab, count, &[])
}

fn start_server(lab: &Lab, count: &str, more: &[&str]) -> Result<(Process, u16), String> {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0"]);
    command.args(["-naccept", count, "-rev"]);
    command.args([
        "-cert",
        &lab.pki.cert("server"),
        "-key",
        &lab.pki.key("server"),
    ]);
    let process = Process::start(command.args(more))?;
    let port = process.out.line(|line| {
        let addr = line.strip_prefix("ACCEPT ")?;
        addr.rsplit(':').next()?.parse().ok()
    });
    let port = port.ok_or_else(|| format!("s_server did not start: {}", process.err.text()))?;
    Ok((process, port))
}

fn reversed(lab: &Lab) -> Observed {
    let (server, port) = server(lab, &[])?;
    let gateway = Gateway::forward(lab, port, &[])?;
    let reverse = |line: &str| line.chars().rev().collect::<String>() + "\n";
    let expected: String = lab.text.lines().map(reverse).collect();
    let back = round_trip(gateway.addr, lab.text.as_bytes())?;
    same("echoed", expected.as_bytes(), &back)?;
    let ended = server.wait(PATIENCE)?;
    if !ended.status.success() {
        return Err(format!(
            "s_server ended with {}: {}",
            ended.status, ended.err
        ));
    }
    gateway.handshakes("x25519", false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    Ok("bytes exact, eof, kx x25519 (metric)".into())
}

fn old_server(lab: &Lab) -> Observed {
    let (server, port) = server(lab, &["-tls1_2"])?;
    let gateway = Gateway::forward(lab, port, &[])?;
    let back = round_trip(gateway.addr, b"never delivered\n").unwrap_or_default();
    same("echoed", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", "TLS 1.3")?;
    gateway.rejected("tls", 1)?;
    server.wait(PATIENCE)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}
