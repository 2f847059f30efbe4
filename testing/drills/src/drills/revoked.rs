//! A revoked client certificate, in a reload with a broken server certificate.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::{Gateway, Lab, Start};

/// Rejects of one reason are logged once per second.
const LOGGED_ONCE_IN: Duration = Duration::from_millis(1100);

pub(super) const CRL: Drill = Drill {
    name: "crl-revoked",
    fault: "a client certificate is revoked while the certificate of the listener is broken; then the CRL expires",
    expected: "event=reject tls=revoked although result=rejected names the broken certificate; tls=crl_expired, rejected_total{reason=\"tls\"} grows, /readyz 200",
    cure: "repair the certificate; install the current CRL",
    quick: true,
    run: revoked,
};

fn revoked(lab: &Lab, case: &mut Case) -> Outcome {
    let pki = &lab.pki;
    let crl = pki.crl("clients", true, &[])?;
    // A copy, which the drill breaks.
    let cert = lab.write("listener.pem", &read(pki.cert("server"))?)?;
    let ca = pki.cert("ca");
    let mutual = [
        ["--transport.tls.client-auth", "required"],
        ["--transport.tls.client-ca-path", &ca],
        ["--transport.tls.crl-path", &crl],
    ];
    let gateway = lab.gateway().tls(&cert, &pki.key("server"));
    let gateway = gateway.args(mutual.concat()).spawn()?;
    let (cert, key) = (pki.cert("client"), pki.key("client"));
    let pair = [
        ["--transport.tls-client.cert-path", &cert],
        ["--transport.tls-client.key-path", &key],
    ];
    let client = lab.gateway().args(lab.trust()).args(pair.concat());
    is_served(&client, &gateway, true)?;

    lab.write("listener.pem", "no certificate")?;
    case.fault();
    pki.crl("clients", true, &["client"])?;
    let event = gateway.reload("rejected")?;
    let error = event["error"].as_str().unwrap_or_default();
    ensure(error.contains("tls cert read failed"), || {
        format!("the certificate is not named: {event}")
    })?;
    is_served(&client, &gateway, false)?;
    gateway.logs("reject", |event| event["tls"] == "revoked")?;
    gateway.until("the reject", |now| now.rejected("tls") >= 1.0)?;
    gateway.is_ready()?;
    case.signal("result=rejected, and event=reject tls=revoked nevertheless");

    lab.write("listener.pem", &read(pki.cert("server"))?)?;
    pki.crl("clients", false, &[])?;
    gateway.reload("ok")?;
    thread::sleep(LOGGED_ONCE_IN);
    is_served(&client, &gateway, false)?;
    gateway.logs("reject", |event| event["tls"] == "crl_expired")?;
    gateway.logs("crl", |_| true)?;
    case.note("an expired CRL: event=crl warns, event=reject tls=crl_expired");

    case.cure();
    pki.crl("clients", true, &[])?;
    gateway.reload("ok")?;
    is_served(&client, &gateway, true)?;
    case.recovered("the client is served under the current CRL, /readyz 200");
    gateway.is_ready()?;
    gateway.stop()?;
    Ok(())
}

fn read(path: impl Into<PathBuf>) -> Result<String, String> {
    let path = path.into();
    fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Checks whether the gateway serves the client.
fn is_served(client: &Start, gateway: &Gateway, expected: bool) -> Outcome {
    let target = format!("tls://localhost:{}", gateway.addr.port());
    let before = gateway.scrape()?.rejected("tls");
    let dialed = client.command_of(&["dial", &target])?;
    // A client of TLS 1.3 may complete its handshake before it is refused.
    if expected {
        return ensure(dialed.status.success(), || dialed.err.clone());
    }
    gateway
        .until("the refusal", |now| now.rejected("tls") > before + 0.5)
        .map(drop)
        .map_err(Into::into)
}
