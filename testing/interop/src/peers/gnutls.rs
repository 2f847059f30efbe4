//! The command line tools of GnuTLS: `gnutls-cli` and `gnutls-serv --echo`.

use std::net::TcpListener;
use std::process::Command;

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::peers::revoked::{self, CommandLine};
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, version, Process, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "gnutls",
    quick: false,
    version: |_| {
        let said = version("gnutls-cli", &["--version"])?;
        Ok(said.rsplit(' ').next().unwrap_or_default().to_owned())
    },
    run: all,
};

const REFUSED: &str = "refused, with the reason";
/// All of its versions but TLS 1.3.
const OLD: &[&str] = &["--priority", "NORMAL:-VERS-TLS1.3"];
/// How often another free port is tried.
const TRIES: usize = 5;

fn all(lab: &Lab, table: &mut Rows<'_>) {
    let stranger = lab.pki.cert("stranger-ca");
    table.row(
        Side::Server,
        "gnutls-cli, end in order",
        "bytes exact, eof",
        || echo(lab),
    );
    table.row(
        Side::Server,
        "gnutls-cli --resume",
        "the second resumed",
        || resume(lab),
    );
    table.row(Side::Server, "gnutls-cli without TLS 1.3", REFUSED, || {
        refused(
            lab,
            &lab.pki.cert("ca"),
            OLD,
            "the peer does not speak TLS 1.3",
        )
    });
    table.row(
        Side::Server,
        "gnutls-cli that trusts another CA",
        REFUSED,
        || refused(lab, &stranger, &[], "the peer sent alert"),
    );
    table.row(
        Side::Client,
        "gnutls-serv --echo",
        "bytes exact, eof",
        || forward(lab),
    );
    table.row(Side::Client, "gnutls-serv without TLS 1.3", REFUSED, || {
        old_server(lab)
    });
    revoked::rows(lab, table, &COMMAND_LINE);
}

const COMMAND_LINE: CommandLine = CommandLine {
    client: "gnutls-cli",
    server: "gnutls-serv",
    connect: |lab, gateway| {
        let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
        exchange(
            lab,
            gateway,
            &["--x509certfile", &cert, "--x509keyfile", &key],
        )
    },
    serve: |lab| server(lab, &[]),
    kx: "x25519",
};

/// Returns a client that prints only the received bytes.
///
/// Its messages go to a file.
fn client(lab: &Lab, gateway: &Gateway, ca: &str, more: &[&str]) -> Command {
    let mut command = Command::new("gnutls-cli");
    command.arg("--logfile").arg(lab.path("gnutls.log"));
    command.args(["--x509cafile", ca, "--port", &gateway.port().to_string()]);
    command.args(more).arg("localhost");
    command
}

/// Sends the payload, waits for its echo, and closes the input.
fn exchange(lab: &Lab, gateway: &Gateway, more: &[&str]) -> Result<(), String> {
    let mut process = Process::start(&mut client(lab, gateway, &lab.pki.cert("ca"), more))?;
    process.write(&lab.payload)?;
    let enough = |bytes: &[u8]| (bytes.len() >= lab.payload.len()).then_some(());
    process.out.wait(enough);
    same("echoed", &lab.payload, &process.out.bytes())?;
    let ended = process.wait(PATIENCE)?;
    if ended.status.success() {
        Ok(())
    } else {
        Err(format!(
            "gnutls-cli ended with {}: {}",
            ended.status, ended.err
        ))
    }
}

fn echo(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    exchange(lab, &gateway, &[])?;
    // The first choice of gnutls-cli.
    gateway.handshakes("secp256r1", false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    Ok("bytes exact, eof, kx secp256r1 (metric)".into())
}

fn resume(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    exchange(lab, &gateway, &["--resume", "--waitresumption"])?;
    gateway.handshakes("secp256r1", false, 1)?;
    gateway.handshakes("secp256r1", true, 1)?;
    gateway.stop()?;
    Ok("bytes exact, the second resumed (metric)".into())
}

fn refused(lab: &Lab, ca: &str, more: &[&str], why: &str) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = run(&mut client(lab, &gateway, ca, more), PATIENCE)?;
    if ended.status.success() {
        return Err("gnutls-cli was admitted".into());
    }
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}

/// Starts the server on a free port, with retries.
///
/// It does not report the port that port 0 became.
fn server(lab: &Lab, more: &[&str]) -> Result<(Process, u16), String> {
    let mut said = String::new();
    for _ in 0..TRIES {
        let free = TcpListener::bind("0.0.0.0:0").and_then(|free| free.local_addr());
        let port = free.map_err(|e| format!("no free port: {e}"))?.port();
        let mut command = Command::new("gnutls-serv");
        command.args(["--echo", "--port", &port.to_string()]);
        command.args(["--x509certfile", &lab.pki.cert("server")]);
        command.args(["--x509keyfile", &lab.pki.key("server")]);
        let process = Process::start(command.args(more))?;
        let is_listening = |line: &str| line.ends_with("...done").then_some(());
        if process.err.line(is_listening).is_some() {
            return Ok((process, port));
        }
        said = process.err.text();
    }
    Err(format!("gnutls-serv did not start: {said}"))
}

fn forward(lab: &Lab) -> Observed {
    let (_server, port) = server(lab, &[])?;
    let gateway = Gateway::forward(lab, port, &[])?;
    let back = round_trip(gateway.addr, lab.text.as_bytes())?;
    same("echoed", lab.text.as_bytes(), &back)?;
    gateway.handshakes("x25519", false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    Ok("bytes exact, eof, kx x25519 (metric)".into())
}

fn old_server(lab: &Lab) -> Observed {
    let (_server, port) = server(lab, OLD)?;
    let gateway = Gateway::forward(lab, port, &[])?;
    let back = round_trip(gateway.addr, b"never delivered\n").unwrap_or_default();
    same("echoed", b"", &back)?;
    let logged = gateway.error_with(
        "reject",
        "tls",
        "alert handshake_failure: nothing in common",
    )?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}
