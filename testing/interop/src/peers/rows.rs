//! Rows of every scripted peer: echo and refusals in both directions.
//!
//! And the modes of the post-quantum key exchange, with peers that support it and peers that do
//! not.

use serde_json::{json, Value};

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::scripted::Script;
use crate::table::{Observed, Rows, Side};

/// The log text about a peer that a required hybrid refuses.
const NO_HYBRID: &str = "pq.mode is required here";

/// A client's connection that succeeds and ends in order.
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

/// A client that is refused in the handshake.
///
/// It sees an error, and the log has the reason.
pub(super) fn client_refused(
    lab: &Lab,
    script: &Script,
    gateway: &[&str],
    with: Value,
    why: &str,
) -> Observed {
    let gateway = Gateway::echo(lab, gateway)?;
    let (report, back) = script.connect(lab, &gateway, with)?;
    let peer = report.error().ok_or("the peer reports no error")?;
    same("echoed", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {peer}"))
}

/// A dial that succeeds: exact bytes, the group, an end in order.
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
        "echoed",
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

/// A dial that fails in the handshake.
///
/// The client's connection ends without a byte, the server sees an error, and the log has the
/// reason.
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
    // The connection may end with a reset.
    let back = round_trip(gateway.addr, b"never delivered").unwrap_or_default();
    same("echoed", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    let report = server.report()?;
    let peer = report.error().ok_or("the peer reports no error")?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {peer}"))
}

/// Formats the group, by our metric and by the peer.
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

/// OpenSSL uses an older name for P-256.
fn is_same_group(kx: &str, group: &str) -> bool {
    kx == group || (kx == "secp256r1" && ["prime256v1", "p-256"].contains(&group))
}

/// Each mode, with peers that support the hybrid and others.
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
