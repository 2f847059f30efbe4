//! Rows that every scripted peer has: echo both ways, refusals both ways, and the modes of the
//! post-quantum key exchange against peers that have it and peers that do not.

use serde_json::{json, Value};

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::scripted::Script;
use crate::table::{Observed, Rows, Side};

/// What the gateway says of a peer that a required hybrid keeps out.
const NO_HYBRID: &str = "pq.mode is required here";

/// A client's connection that goes well: exact bytes, the group, an honest end.
pub(super) fn client(
    lab: &Lab,
    script: &Script,
    gateway: &[&str],
    with: Value,
    kx: &str,
) -> Observed {
    let gateway = Gateway::echo(lab, gateway)?;
    let report = script.echoed(lab, &gateway, with)?;
    gateway.handshakes(kx, false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    agreed(kx, report.group())
}

/// A client that is refused in the handshake: it sees an error, and the log says why.
pub(super) fn client_refused(
    lab: &Lab,
    script: &Script,
    gateway: &[&str],
    with: Value,
    why: &str,
) -> Observed {
    let gateway = Gateway::echo(lab, gateway)?;
    let (report, back) = script.connect(lab, &gateway, with)?;
    let peer = report.error().ok_or("the peer saw no error")?;
    same("came back", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {peer}"))
}

/// A dial that goes well: exact bytes, the group, an honest end.
pub(super) fn server(
    lab: &Lab,
    script: &Script,
    gateway: &[&str],
    with: Value,
    kx: &str,
) -> Observed {
    let server = script.serve(lab, "server", with)?;
    let gateway = Gateway::forward(lab, server.port, gateway)?;
    same(
        "came back",
        &lab.payload,
        &round_trip(gateway.addr, &lab.payload)?,
    )?;
    let report = server.report()?;
    report.is_good()?;
    gateway.handshakes(kx, false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    agreed(kx, report.group())
}

/// A dial that fails in the handshake: the client's connection ends without a byte, the server sees
/// an error, and the log says why.
pub(super) fn server_refused(
    lab: &Lab,
    script: &Script,
    cert: &str,
    gateway: &[&str],
    with: Value,
    why: &str,
) -> Observed {
    let server = script.serve(lab, cert, with)?;
    let gateway = Gateway::forward(lab, server.port, gateway)?;
    // The end may be a reset.
    let back = round_trip(gateway.addr, b"nobody gets this").unwrap_or_default();
    same("came back", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    let report = server.report()?;
    let peer = report.error().ok_or("the peer saw no error")?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {peer}"))
}

/// What our metric says, and what the peer says where it can.
fn agreed(kx: &str, group: Option<String>) -> Observed {
    match group {
        None => Ok(format!("bytes exact, eof, kx {kx} (metric)")),
        Some(group) if is_same_group(kx, &group) => Ok(format!(
            "bytes exact, eof, kx {kx} (metric), {group} (peer)"
        )),
        Some(group) => Err(format!(
            "kx {kx} in our metric, {group} by the peer's report"
        )),
    }
}

/// OpenSSL calls P-256 by its older name.
fn is_same_group(kx: &str, group: &str) -> bool {
    kx == group || (kx == "secp256r1" && ["prime256v1", "p-256"].contains(&group))
}

/// Each mode with a peer that has the hybrid and one that has not, both ways.
pub(super) fn pq(lab: &Lab, rows: &mut Rows<'_>, script: &Script) {
    let hybrid = "x25519mlkem768";
    let table = [
        ("off", "hybrid-capable", Some("x25519")),
        ("off", "classical", Some("secp256r1")),
        ("hybrid", "hybrid-capable", Some(hybrid)),
        ("hybrid", "classical", Some("secp256r1")),
        ("required", "hybrid-capable", Some(hybrid)),
        ("required", "classical", None),
    ];
    for side in [Side::Server, Side::Client] {
        for (mode, groups, kx) in table {
            let what = format!("pq.mode {mode}, {groups} peer");
            let args = ["--transport.pq.mode", mode];
            let with = json!({"groups": groups});
            match kx {
                Some(kx) => rows.row(side, &what, &format!("connected, {kx}"), || match side {
                    Side::Server => client(lab, script, &args, with, kx),
                    Side::Client => server(lab, script, &args, with, kx),
                }),
                None => rows.row(side, &what, "refused, with the reason", || match side {
                    Side::Server => client_refused(lab, script, &args, with, NO_HYBRID),
                    Side::Client => server_refused(lab, script, "server", &args, with, NO_HYBRID),
                }),
            }
        }
    }
}
