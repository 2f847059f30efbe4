//! Python's `ssl`, as client and server.
//!
//! Refused certificates, client certificates, resumption, and ends of connections.

use serde_json::{json, Value};

use crate::gateway::{round_trip, Gateway};
use crate::lab::{same, Lab};
use crate::peers::{ends, rows, Peer};
use crate::scripted::Script;
use crate::table::{Observed, Rows, Side};
use ron_lab::process::version;

pub(super) const PEER: Peer = Peer {
    name: "python",
    quick: false,
    version: |_| {
        let ask = "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION[:14])";
        version("python3", &["-c", ask])
    },
    run: all,
};

const SCRIPT: Script = Script {
    interpreter: |lab| lab.python("none"),
    client: ("ssl_client.py", include_str!("../scripts/ssl_client.py")),
    server: ("ssl_server.py", include_str!("../scripts/ssl_server.py")),
};

const X25519: &str = "x25519";
const REFUSED: &str = "refused, with the reason";

fn all(lab: &Lab, table: &mut Rows<'_>) {
    as_client(lab, table);
    as_server(lab, table);
    let row = "certificate of --dev-tls, strict verification";
    table.row(Side::Server, row, "connected", || dev_tls(lab));
    let row = "two sessions, the second resumed";
    table.row(Side::Server, row, "resumed", || client_resumes(lab));
    table.row(Side::Client, row, "resumed", || server_resumes(lab));
    let row = "TCP closed without close_notify";
    table.row(Side::Server, row, "truncated", || client_cuts(lab));
    table.row(Side::Client, row, "truncated", || server_cuts(lab));
    let row = "TCP closed without close_notify, seen by the other side of the relay";
    table.row(Side::Server, row, "reset", || client_cuts_relay(lab));
    table.row(Side::Client, row, "reset", || server_cuts_relay(lab));
    let row = "close_notify with unread tickets";
    table.row(Side::Server, row, "eof", || client_leaves(lab));
}

fn as_client(lab: &Lab, table: &mut Rows<'_>) {
    let ca = lab.pki.cert("ca");
    let required = [
        "--transport.tls.client-auth",
        "required",
        "--transport.tls.client-ca-path",
        &ca,
    ];
    let pair = |name| json!({"cert": lab.pki.cert(name), "key": lab.pki.key(name)});
    table.row(
        Side::Server,
        "echo, strict verification",
        "connected",
        || rows::client(lab, &SCRIPT, &[], json!({}), X25519),
    );
    table.row(
        Side::Server,
        "client certificate of the CA",
        "connected",
        || rows::client(lab, &SCRIPT, &required, pair("client"), X25519),
    );
    let picky = [
        &required[..],
        &["--transport.tls.allow-sans", "spiffe://x/y"],
    ]
    .concat();
    let refused: [(&str, &[&str], Value, &str); 6] = [
        (
            "client certificate of another CA",
            &required,
            pair("stranger-client"),
            "not issued by an authority of tls.client_ca_path",
        ),
        (
            "client certificate whose name is not in allow_sans",
            &picky,
            pair("client"),
            "has no name that tls.allow_sans lists",
        ),
        (
            "no client certificate although one is required",
            &required,
            json!({}),
            "the client presented no certificate",
        ),
        (
            "the client trusts another CA",
            &[],
            json!({"ca": lab.pki.cert("stranger-ca")}),
            "alert unknown_ca",
        ),
        (
            "the client expects another name",
            &[],
            json!({"name": "other.example"}),
            "the peer sent alert bad_certificate",
        ),
        (
            "TLS 1.2 at most",
            &[],
            json!({"max": "1.2"}),
            "the peer does not speak TLS 1.3",
        ),
    ];
    for (what, gateway, with, why) in refused {
        table.row(Side::Server, what, REFUSED, || {
            rows::client_refused(lab, &SCRIPT, gateway, with, why)
        });
    }
}

fn as_server(lab: &Lab, table: &mut Rows<'_>) {
    let asks = || json!({"client_ca": lab.pki.cert("ca")});
    let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
    let shows = [
        "--transport.tls-client.cert-path",
        &cert,
        "--transport.tls-client.key-path",
        &key,
    ];
    table.row(Side::Client, "forward", "connected", || {
        rows::server(lab, &SCRIPT, &[], json!({}), X25519)
    });
    table.row(
        Side::Client,
        "client certificate requested and shown",
        "connected",
        || rows::server(lab, &SCRIPT, &shows, asks(), X25519),
    );
    table.row(
        Side::Client,
        "client certificate requested, none configured",
        REFUSED,
        || server_wants_a_certificate(lab, asks()),
    );
    let refused = [
        (
            "certificate for another name",
            "other-name",
            json!({}),
            "not for localhost, but for",
        ),
        (
            "certificate that has expired",
            "expired",
            json!({}),
            "the server's certificate has expired",
        ),
        (
            "certificate of another CA",
            "stranger",
            json!({}),
            "not issued by an authority of the trust store",
        ),
        (
            "TLS 1.2 at most",
            "server",
            json!({"max": "1.2"}),
            "TLS 1.3",
        ),
    ];
    for (what, cert, with, why) in refused {
        table.row(Side::Client, what, REFUSED, || {
            rows::server_refused(lab, &SCRIPT, cert, &[], with, why)
        });
    }
}

/// In TLS 1.3 the client's handshake ends before the refusal.
///
/// So the established connection fails.
fn server_wants_a_certificate(lab: &Lab, asks: Value) -> Observed {
    let server = SCRIPT.serve(lab, "server", asks)?;
    let gateway = Gateway::forward(lab, server.port, &[])?;
    let back = round_trip(gateway.addr, b"never delivered").unwrap_or_default();
    same("echoed", b"", &back)?;
    let report = server.report()?;
    let peer = report.error().ok_or("the peer reports no error")?;
    let logged = gateway.error_with("relay", "", "alert certificate_required")?;
    gateway.closed("error", 1)?;
    gateway.stop()?;
    Ok(format!("log: {logged}; peer: {peer}"))
}

fn dev_tls(lab: &Lab) -> Observed {
    let (gateway, authority) = Gateway::dev_tls(lab)?;
    let ca = lab.write("dev-ca.pem", &authority)?;
    SCRIPT.echoed(lab, &gateway, json!({"ca": ca}))?;
    gateway.handshakes(X25519, false, 1)?;
    gateway.stop()?;
    Ok("bytes exact".into())
}

fn client_resumes(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let report = SCRIPT.echoed(lab, &gateway, json!({"sessions": 2}))?;
    gateway.handshakes(X25519, false, 1)?;
    gateway.handshakes(X25519, true, 1)?;
    gateway.stop()?;
    resumed(&report.resumed(), &[false, true])
}

fn server_resumes(lab: &Lab) -> Observed {
    let server = SCRIPT.serve(lab, "server", json!({"connections": 2}))?;
    let gateway = Gateway::forward(lab, server.port, &[])?;
    for _ in 0..2 {
        same(
            "echoed",
            &lab.payload,
            &round_trip(gateway.addr, &lab.payload)?,
        )?;
    }
    let report = server.report()?;
    report.is_good()?;
    gateway.handshakes(X25519, false, 1)?;
    gateway.handshakes(X25519, true, 1)?;
    gateway.stop()?;
    // The last report is about the second connection.
    resumed(&report.resumed(), &[true])
}

fn resumed(reported: &[bool], expected: &[bool]) -> Observed {
    if reported == expected {
        Ok("resumed (peer and metric)".into())
    } else {
        Err(format!("resumed by the peer's report: {reported:?}"))
    }
}

fn client_cuts(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    SCRIPT.echoed(lab, &gateway, json!({"end": "cut"}))?;
    gateway.closed("truncated", 1)?;
    gateway.closed("eof", 0)?;
    gateway.stop()?;
    Ok("bytes exact, close reason truncated".into())
}

fn server_cuts(lab: &Lab) -> Observed {
    let server = SCRIPT.serve(lab, "server", json!({"end": "cut"}))?;
    let gateway = Gateway::forward(lab, server.port, &[])?;
    // The client of a cut connection must not see an end in order either.
    let _ = round_trip(gateway.addr, &lab.payload);
    server.report()?.is_good()?;
    gateway.closed("truncated", 1)?;
    gateway.closed("eof", 0)?;
    gateway.stop()?;
    Ok("close reason truncated".into())
}

fn client_cuts_relay(lab: &Lab) -> Observed {
    let (port, upstream) = ends::upstream()?;
    let gateway = Gateway::echo(lab, &["--forward", &format!("tcp://127.0.0.1:{port}")])?;
    SCRIPT.echoed(lab, &gateway, json!({"end": "cut"}))?;
    let seen = upstream.join().map_err(|_| "the upstream panicked")??;
    gateway.closed("truncated", 1)?;
    gateway.stop()?;
    Ok(seen)
}

fn server_cuts_relay(lab: &Lab) -> Observed {
    let server = SCRIPT.serve(lab, "server", json!({"end": "cut"}))?;
    let gateway = Gateway::forward(lab, server.port, &[])?;
    match round_trip(gateway.addr, &lab.payload) {
        Ok(back) => return Err(format!("EOF after {} bytes", back.len())),
        Err(error) if error.contains("reset") => {}
        Err(error) => return Err(error),
    }
    server.report()?.is_good()?;
    gateway.closed("truncated", 1)?;
    gateway.stop()?;
    Ok("the client saw a reset".into())
}

/// The peer closes its socket with unread tickets: a reset.
fn client_leaves(lab: &Lab) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    let (report, _) = SCRIPT.connect(lab, &gateway, json!({"end": "leave", "sessions": 10}))?;
    report.is_good()?;
    gateway.closed("eof", 10)?;
    ends::no_failure(&gateway, 1)?;
    gateway.stop()?;
    Ok("10 closes eof, no reject".into())
}
