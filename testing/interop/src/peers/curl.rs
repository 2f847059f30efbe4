//! curl: HTTPS through a gateway that terminates TLS for an HTTP server.

use std::process::Command;

use crate::gateway::Gateway;
use crate::lab::{same, Lab};
use crate::peers::web::Web;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::{run, version, Ended, PATIENCE};

pub(super) const PEER: Peer = Peer {
    name: "curl",
    quick: true,
    version: |_| {
        let said = version("curl", &["--version"])?;
        let words: Vec<_> = said.split(' ').collect();
        let tls = words.iter().skip(4).find(|word| word.contains("SSL"));
        let curl = words.get(1).copied().unwrap_or_default();
        Ok(format!("{curl} {}", tls.copied().unwrap_or_default()))
    },
    run: all,
};

const REFUSED: &str = "refused, with the reason";

fn all(lab: &Lab, table: &mut Rows<'_>) {
    let stranger = lab.pki.cert("stranger-ca");
    table.row(
        Side::Server,
        "GET of 1 MiB over HTTPS",
        "bytes exact, eof",
        || get(lab),
    );
    table.row(
        Side::Server,
        "client certificate of the CA",
        "bytes exact, eof",
        || mutual(lab),
    );
    table.row(Side::Server, "--tls-max 1.2", REFUSED, || {
        refused(
            lab,
            &["--tls-max", "1.2"],
            "localhost",
            "the peer does not speak TLS 1.3",
        )
    });
    table.row(
        Side::Server,
        "the client trusts another CA",
        REFUSED,
        || {
            refused(
                lab,
                &["--cacert", &stranger],
                "localhost",
                "alert unknown_ca",
            )
        },
    );
    table.row(
        Side::Server,
        "the client expects another name",
        "curl refuses",
        || wrong_name(lab),
    );
    table.row(Side::Server, "plain HTTP on the TLS port", REFUSED, || {
        plain(lab)
    });
}

/// Requests the payload under this name, resolved to the gateway.
fn curl(lab: &Lab, gateway: &Gateway, more: &[&str], url: &str) -> Result<Ended, String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--max-time", "15"]);
    // Ignores proxies and configuration of the user.
    command.args(["--noproxy", "*", "--http1.1"]);
    let (ca, port) = (lab.pki.cert("ca"), gateway.port());
    for name in ["localhost", "other.example"] {
        command.args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
    }
    command.args(["--cacert", &ca]).args(more);
    run(command.arg(format!("{url}:{port}/payload.bin")), PATIENCE)
}

fn got(lab: &Lab, gateway: Gateway, more: &[&str]) -> Observed {
    let ended = curl(lab, &gateway, more, "https://localhost")?;
    if !ended.status.success() {
        return Err(format!("curl ended with {}: {}", ended.status, ended.err));
    }
    same("received", &lab.payload, &ended.out)?;
    gateway.handshakes("x25519", false, 1)?;
    gateway.closed("eof", 1)?;
    gateway.stop()?;
    Ok("bytes exact, eof, kx x25519 (metric)".into())
}

fn get(lab: &Lab) -> Observed {
    let web = Web::start(lab, "")?;
    got(lab, web.gateway(lab, &[])?, &["--tlsv1.3"])
}

fn mutual(lab: &Lab) -> Observed {
    let web = Web::start(lab, "")?;
    let ca = lab.pki.cert("ca");
    let required = ["--transport.tls.client-auth", "required"];
    let by = ["--transport.tls.client-ca-path", &ca];
    let gateway = web.gateway(lab, &[required, by].concat())?;
    let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
    got(lab, gateway, &["--cert", &cert, "--key", &key])
}

fn refused(lab: &Lab, more: &[&str], name: &str, why: &str) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = curl(lab, &gateway, more, &format!("https://{name}"))?;
    if ended.status.success() {
        return Err("curl was admitted".into());
    }
    let logged = gateway.error_with("reject", "tls", why)?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {}", ended.err.trim()))
}

fn plain(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = curl(lab, &gateway, &[], "http://localhost")?;
    if ended.status.success() {
        return Err("the gateway answered plain HTTP".into());
    }
    let logged = gateway.error_with("reject", "tls", "the peer spoke HTTP, not TLS")?;
    gateway.rejected("tls", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {}", ended.err.trim()))
}

/// curl checks the name after the handshake.
///
/// It leaves then, and the gateway sees a connection that ends without a byte.
fn wrong_name(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let ended = curl(lab, &gateway, &[], "https://other.example")?;
    if ended.status.code() != Some(60) {
        return Err(format!("curl ended with {}: {}", ended.status, ended.err));
    }
    gateway.stop()?;
    Ok(format!("peer: {}", ended.err.trim()))
}
