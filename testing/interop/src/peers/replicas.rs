//! Sessions of OpenSSL at two gateways with shared ticket keys.

use std::process::Command;

use super::revoked::{mutual, ticket_keys};
use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{Process, PATIENCE};

pub(super) fn rows(lab: &Lab, table: &mut Rows<'_>) {
    for (what, first, second, resumes) in [
        ("the same ticket key", "A", "A", true),
        ("keys rotated, the old one second", "A", "BA", true),
        ("keys rotated, the old one removed", "A", "B", false),
    ] {
        let what = format!("s_client -sess_in at another process, {what}");
        let expected = if resumes { "Reused" } else { "New" };
        table.row(Side::Server, &what, expected, || {
            elsewhere(lab, first, second, resumes)
        });
    }
    table.row(
        Side::Server,
        "s_client -sess_in, revoked since, at another process",
        "refused, with the reason",
        || revoked_since(lab),
    );
}

fn keyed(lab: &Lab, name: &str, letters: &str) -> Result<Gateway, String> {
    let keys = ticket_keys(lab, name, letters)?;
    Gateway::echo(lab, &["--transport.tls.ticket-keys-path", &keys])
}

fn elsewhere(lab: &Lab, first: &str, second: &str, resumes: bool) -> Observed {
    let one = keyed(lab, "one.keys", first)?;
    let two = keyed(lab, "two.keys", second)?;
    let session = lab.path("shared.session").to_string_lossy().into_owned();
    let said = talk(lab, &one, &["-sess_out", &session])?;
    reports(&said, "New, TLSv1.3")?;
    let expected = if resumes {
        "Reused, TLSv1.3"
    } else {
        "New, TLSv1.3"
    };
    reports(&talk(lab, &two, &["-sess_in", &session])?, expected)?;
    two.handshakes("x25519", resumes, 1)?;
    two.handshakes("x25519", !resumes, 0)?;
    one.stop()?;
    two.stop()?;
    Ok(format!(
        "{expected} (peer), resumed in the metric: {resumes}"
    ))
}

/// The second process has a CRL that revokes the session's client.
fn revoked_since(lab: &Lab) -> Observed {
    let keys = ticket_keys(lab, "one.keys", "A")?;
    let keys = ["--transport.tls.ticket-keys-path", &keys];
    let one = mutual(lab, &lab.pki.crl("before", true, &[])?, &keys)?;
    let two = mutual(lab, &lab.pki.crl("after", true, &["client"])?, &keys)?;
    let session = lab.path("mutual.session").to_string_lossy().into_owned();
    let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
    let pair = ["-cert", &cert, "-key", &key];
    let with = |more: [&str; 2], at| talk(lab, at, &[&pair[..], &more[..]].concat());
    reports(&with(["-sess_out", &session], &one)?, "New, TLSv1.3")?;
    // The handshake of `s_client` ends before it reads the alert.
    let _ = with(["-sess_in", &session], &two);
    let logged = two.error_with("reject", "tls", "certificate is revoked")?;
    two.handshakes("x25519", true, 0)?;
    one.stop()?;
    two.stop()?;
    Ok(format!("log: {logged}"))
}

/// Echoes one line and returns the session report of `s_client`.
fn talk(lab: &Lab, gateway: &Gateway, more: &[&str]) -> Result<String, String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &gateway.addr.to_string()]);
    command.args([
        "-servername",
        "localhost",
        "-verify_return_error",
        "-ign_eof",
    ]);
    command.args(["-CAfile", &lab.pki.cert("ca")]).args(more);
    let mut process = Process::start(&mut command)?;
    process.write(b"there and back\n")?;
    // The line may follow on a line of the session's dump.
    let echoed = process
        .out
        .line(|line| line.ends_with("there and back").then_some(()));
    if echoed.is_none() {
        return Err(format!("no echo: {}", process.err.text()));
    }
    let said = process.out.text();
    // `s_client` runs as long as the server; its session is written by now.
    process.signal(rustix::process::Signal::TERM)?;
    process.wait(PATIENCE)?;
    Ok(said)
}

fn reports(said: &str, text: &str) -> Result<(), String> {
    if said.contains(text) {
        return Ok(());
    }
    let line = said.lines().find(|line| line.contains(", TLSv1.3, Cipher"));
    Err(format!("s_client reports {line:?}, expected {text:?}"))
}
