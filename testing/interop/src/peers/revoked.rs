//! Rows about CRLs and shared ticket keys, for command line peers.

use std::os::unix::fs::PermissionsExt as _;

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::table::{Observed, Rows, Side};
use ron_lab::process::Process;

const REFUSED: &str = "refused, with the reason";
/// The log texts for a revoked peer and an expired CRL.
const STATES: [(&str, &str); 2] = [
    ("revoked", "certificate is revoked"),
    (
        "CRL expired",
        "has expired: install the issuer's current CRL",
    ),
];

/// A peer that can show the certificate `client` and serve with `server`.
pub(super) struct CommandLine {
    pub(super) client: &'static str,
    pub(super) server: &'static str,
    /// Connects with the certificate `client`; an error if it is not served.
    pub(super) connect: fn(&Lab, &Gateway) -> Result<(), String>,
    /// Starts a server for several connections.
    pub(super) serve: fn(&Lab) -> Result<(Process, u16), String>,
    /// The group of its handshakes with our dialer.
    pub(super) kx: &'static str,
}

/// CRLs on either side, and two dials of which the second resumes.
pub(super) fn rows(lab: &Lab, table: &mut Rows<'_>, peer: &CommandLine) {
    let good = format!("{}, certificate in order by the CRL", peer.client);
    table.row(Side::Server, &good, "served", || client_in_order(lab, peer));
    for (state, why) in STATES {
        let what = format!("{}, {state}", peer.client);
        table.row(Side::Server, &what, REFUSED, || {
            client_refused(lab, peer, state, why)
        });
    }
    let good = format!("{}, certificate in order by the CRL, twice", peer.server);
    table.row(
        Side::Client,
        &good,
        "bytes exact, the second resumed",
        || server_in_order(lab, peer),
    );
    for (state, why) in STATES {
        let what = format!("{}, {state}", peer.server);
        table.row(Side::Client, &what, REFUSED, || {
            server_refused(lab, peer, state, why)
        });
    }
}

/// Writes the CRL of this state for this pair.
fn crl(lab: &Lab, state: &str, pair: &str) -> Result<String, String> {
    let revoked = if state == "revoked" { &[pair][..] } else { &[] };
    lab.pki.crl(pair, state != "CRL expired", revoked)
}

/// Starts a gateway that checks client certificates against this CRL.
pub(super) fn mutual(lab: &Lab, crl: &str, more: &[&str]) -> Result<Gateway, String> {
    let ca = lab.pki.cert("ca");
    let mut args = vec!["--transport.tls.client-auth", "required"];
    args.extend(["--transport.tls.client-ca-path", &ca]);
    args.extend(["--transport.tls.crl-path", crl]);
    args.extend(more);
    Gateway::echo(lab, &args)
}

fn client_in_order(lab: &Lab, peer: &CommandLine) -> Observed {
    let gateway = mutual(lab, &crl(lab, "in order", "client")?, &[])?;
    (peer.connect)(lab, &gateway)?;
    gateway.rejected("tls", 0)?;
    gateway.stop()?;
    Ok("bytes exact, no reject".into())
}

fn client_refused(lab: &Lab, peer: &CommandLine, state: &str, why: &str) -> Observed {
    let gateway = mutual(lab, &crl(lab, state, "client")?, &[])?;
    if (peer.connect)(lab, &gateway).is_ok() {
        return Err("the client was served".into());
    }
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}

fn server_in_order(lab: &Lab, peer: &CommandLine) -> Observed {
    let (_server, port) = (peer.serve)(lab)?;
    let crl = crl(lab, "in order", "server")?;
    let gateway = Gateway::forward(lab, port, &["--transport.tls-client.crl-path", &crl])?;
    for _ in 0..2 {
        let back = round_trip(gateway.addr, b"0123\n")?;
        let mut letters = back.clone();
        letters.sort_unstable();
        same("echoed", b"\n0123", &letters)?;
    }
    gateway.handshakes(peer.kx, false, 1)?;
    gateway.handshakes(peer.kx, true, 1)?;
    gateway.stop()?;
    Ok("bytes exact twice, the second resumed (metric)".into())
}

fn server_refused(lab: &Lab, peer: &CommandLine, state: &str, why: &str) -> Observed {
    let (_server, port) = (peer.serve)(lab)?;
    let crl = crl(lab, state, "server")?;
    let gateway = Gateway::forward(lab, port, &["--transport.tls-client.crl-path", &crl])?;
    // The connection may end with a reset.
    let back = round_trip(gateway.addr, b"0123\n").unwrap_or_default();
    same("echoed", b"", &back)?;
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}"))
}

/// Writes a file of ticket keys in base64.
///
/// Each key is 48 times one letter.
pub(super) fn ticket_keys(lab: &Lab, name: &str, letters: &str) -> Result<String, String> {
    let lines = letters
        .chars()
        .map(|letter| String::from(letter).repeat(64) + "\n");
    let path = lab.write(name, &lines.collect::<String>())?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode).map_err(|e| format!("{name}: {e}"))?;
    Ok(path)
}
