//! curl: `--haproxy-protocol`, which announces curl's own connection.

use std::process::Command;

use ron_lab::process::{run, version, PATIENCE};

use super::rows::{counted, no_reject};
use crate::gateway::Gateway;
use crate::lab::{same, Lab};
use crate::peers::Peer;
use crate::peers::Web;
use crate::table::{Observed, Rows, Side};

pub(super) const PEER: Peer = Peer {
    name: "curl",
    quick: true,
    version: |_| {
        let said = version("curl", &["--version"])?;
        Ok(said.split(' ').nth(1).unwrap_or_default().to_owned())
    },
    run: all,
};

fn all(lab: &Lab, rows: &mut Rows<'_>) {
    let expected = "bytes exact, the client in the log";
    rows.row(Side::Server, "--haproxy-protocol, HTTP", expected, || {
        get(lab, false)
    });
    rows.row(Side::Server, "--haproxy-protocol, HTTPS", expected, || {
        get(lab, true)
    });
}

fn get(lab: &Lab, tls: bool) -> Observed {
    let web = Web::start(lab, "")?;
    let target = format!("tcp://127.0.0.1:{}", web.port);
    let start = if tls { lab.tls() } else { lab.gateway() };
    let args = [
        "--forward",
        &target,
        "--transport.proxy.trusted",
        "127.0.0.1",
    ];
    let gateway = Gateway::spawn(start, &args)?;
    let (scheme, port) = (if tls { "https" } else { "http" }, gateway.port());
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "15"]);
    command.args(["--noproxy", "*", "--http1.1", "--haproxy-protocol"]);
    command.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
    command.args(["--write-out", "%{stderr}%{local_ip}:%{local_port}"]);
    command.args(["--cacert", &lab.pki.cert("ca")]);
    command.arg(format!("{scheme}://localhost:{port}/payload.bin"));
    let ended = run(&mut command, PATIENCE)?;
    if !ended.status.success() {
        let log = gateway.log();
        return Err(format!(
            "curl ended with {}: {} {log}",
            ended.status, ended.err
        ));
    }
    same("received", &lab.payload, &ended.out)?;
    let client = ended.err.trim().to_owned();
    let event = gateway.logs("proxy", |event| event["peer"] == client.as_str())?;
    counted(&gateway, "v1", "ok", 1)?;
    no_reject(&gateway)?;
    gateway.end()?;
    Ok(format!(
        "bytes exact; log: peer {client} to {}",
        event["to"]
    ))
}
