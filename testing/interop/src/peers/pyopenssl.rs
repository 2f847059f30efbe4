//! pyOpenSSL, whose wheel contains an OpenSSL with X25519MLKEM768.
//!
//! Covers every mode of the post-quantum key exchange, with the group as both sides report it.

use serde_json::json;

use crate::gateway;
use crate::lab::Lab;
use crate::peers::{rows, Peer};
use crate::scripted::Script;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "pyopenssl",
    quick: true,
    version,
    run: all,
};

const SCRIPT: Script = Script {
    interpreter: |lab| lab.python("pyopenssl"),
    client: (
        "pyopenssl_client.py",
        include_str!("../scripts/pyopenssl_client.py"),
    ),
    server: (
        "pyopenssl_server.py",
        include_str!("../scripts/pyopenssl_server.py"),
    ),
};

/// Also fails if its OpenSSL is too old for the hybrid.
fn version(lab: &Lab) -> Result<String, String> {
    let ask = "import OpenSSL; from OpenSSL import SSL; SSL.Connection.get_group_name; \
               v = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]; \
               assert tuple(map(int, v.split('.')[:2])) >= (3, 5), v; \
               print(OpenSSL.__version__, 'OpenSSL', v)";
    let ended = run(lab.python("pyopenssl").args(["-c", ask]), PATIENCE)?;
    let out = String::from_utf8_lossy(&ended.out).trim().to_owned();
    if ended.status.success() {
        Ok(out)
    } else {
        let why = ended.err.lines().last().unwrap_or_default();
        Err(format!(
            "no pyOpenSSL with an OpenSSL of 3.5 or newer: {why}"
        ))
    }
}

fn all(lab: &Lab, table: &mut Rows<'_>) {
    rows::pq(lab, table, &SCRIPT);
    let what = "ron-gateway dial, pq.mode hybrid";
    table.row(Side::Client, what, "connected, x25519mlkem768", || {
        dial(lab)
    });
}

/// The output of `dial`, as an operator sees it.
fn dial(lab: &Lab) -> Observed {
    let server = SCRIPT.serve(lab, "server", json!({}))?;
    let ended = run(
        &mut gateway::dial(lab, server.port, &["--transport.pq.mode", "hybrid"]),
        PATIENCE,
    )?;
    let out = String::from_utf8_lossy(&ended.out);
    let kx = out.lines().find_map(|line| line.strip_prefix("kx "));
    let report = server.report()?;
    report.is_good()?;
    match (kx.map(str::trim), report.group().as_deref()) {
        (Some("x25519mlkem768"), Some("x25519mlkem768")) => {
            Ok("kx x25519mlkem768 (dial and peer)".into())
        }
        other => Err(format!("groups of dial and peer: {other:?}: {}", ended.err)),
    }
}
