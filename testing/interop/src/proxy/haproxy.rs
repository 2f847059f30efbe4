//! HAProxy: `send-proxy` before the gateway, `accept-proxy` behind it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use ron_lab::process::{version, Process};

use super::rows::{
    before, behind, client, counted, free_addr, in_back, in_front, no_reject, Balancer,
};
use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};

pub(super) const PEER: Peer = Peer {
    name: "haproxy",
    quick: true,
    version: |_| {
        let said = version("haproxy", &["-v"])?;
        let word = said.split(' ').nth(2).unwrap_or_default();
        Ok(word.to_owned())
    },
    run: all,
};

const NAMED: &str = "bytes exact, the client in the log";
/// The fields of a line of its log.
const FORMAT: &str = "src=%[src]:%[src_port] dst=%[dst]:%[dst_port] \
                      authority=%[fc_pp_authority] id=%[fc_pp_unique_id] state=%ts";
const CHECKS: u32 = 5;

fn all(lab: &Lab, rows: &mut Rows<'_>) {
    for (option, version) in [
        ("send-proxy", "v1"),
        ("send-proxy-v2", "v2"),
        ("send-proxy-v2 proxy-v2-options crc32c,unique-id", "v2"),
    ] {
        rows.row(Side::Server, option, NAMED, || {
            let gateway = behind(lab, &[])?;
            let balancer = sender(lab, "", &server(&gateway, option))?;
            in_front(lab, gateway, &balancer, version)
        });
    }
    let what = "send-proxy-v2-ssl-cn with authority, crc32c, unique-id";
    rows.row(
        Side::Server,
        what,
        "the client's TLS facts in the log",
        || tls_facts(lab),
    );
    rows.row(
        Side::Server,
        "TLS to the gateway inside send-proxy-v2",
        NAMED,
        || tls_inside(lab),
    );
    for option in ["check send-proxy", "check send-proxy-v2"] {
        rows.row(Side::Server, option, "health checks, no reject", || {
            health_checks(lab, option)
        });
    }
    for version in ["v1", "v2"] {
        let what = format!("accept-proxy, proxy.send = {version}");
        rows.row(Side::Client, &what, NAMED, || accepted(lab, version, false));
        let what = format!("accept-proxy ssl, proxy.send = {version}");
        rows.row(Side::Client, &what, NAMED, || accepted(lab, version, true));
    }
}

/// A line `server` about a gateway.
fn server(gateway: &Gateway, options: &str) -> String {
    format!("server gateway {} {options}", gateway.addr)
}

fn start(lab: &Lab, addr: SocketAddr, bind: &str, server: &str) -> Result<Balancer, String> {
    let config = format!(
        "global\n  log stdout format raw local0\n  maxconn 100\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         frontend in\n  bind {addr} {bind}\n  log global\n  log-format \"{FORMAT}\"\n  \
         unique-id-format \"row-%pid\"\n  default_backend out\n\
         backend out\n  {server}\n"
    );
    let path = lab.write("haproxy.cfg", &config)?;
    let process = Process::start(Command::new("haproxy").args(["-db", "-f", &path]))?;
    Ok(Balancer { process, addr })
}

fn sender(lab: &Lab, bind: &str, server: &str) -> Result<Balancer, String> {
    start(lab, free_addr()?, bind, server)
}

/// Writes a certificate with its key, as HAProxy wants it.
fn pair(lab: &Lab, name: &str) -> Result<String, String> {
    let read = |path: String| fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"));
    let pair = read(lab.pki.cert(name))? + &read(lab.pki.key(name))?;
    lab.write(&format!("{name}-pair.pem"), &pair)
}

fn tls_facts(lab: &Lab) -> Observed {
    let gateway = behind(lab, &[])?;
    let (pair, ca) = (pair(lab, "server")?, lab.pki.cert("ca"));
    let bind = format!("ssl crt {pair} ca-file {ca} verify required alpn ron/1");
    let options =
        "send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c,unique-id";
    let balancer = sender(lab, &bind, &server(&gateway, options))?;
    drop(client(balancer.addr)?);
    let (cert, key) = (lab.pki.cert("client"), lab.pki.key("client"));
    let to = balancer.addr.to_string();
    let mut openssl = Command::new("openssl");
    openssl.args([
        "s_client",
        "-quiet",
        "-connect",
        &to,
        "-servername",
        "localhost",
    ]);
    openssl.args([
        "-CAfile", &ca, "-cert", &cert, "-key", &key, "-alpn", "ron/1",
    ]);
    let mut openssl = Process::start(&mut openssl)?;
    openssl.write(b"question\n")?;
    let echoed = openssl.out.line(|line| (line == "question").then_some(()));
    echoed.ok_or_else(|| format!("no echo: {}", openssl.err.text()))?;
    let event = gateway.logs("proxy", |event| event["tls_version"].is_string())?;
    let facts = [("tls_version", "TLSv1.3"), ("authority", "localhost")];
    for (field, value) in facts {
        if event[field] != value {
            return Err(format!("{field} is {} in the log", event[field]));
        }
    }
    let is_named = event["tls_cn"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    let has_id = event["corr_id"]
        .as_str()
        .is_some_and(|id| id.starts_with("row-"));
    let has_cipher = event["tls_cipher"]
        .as_str()
        .is_some_and(|c| c.starts_with("TLS_"));
    if !(is_named && has_id && has_cipher) || event["tls_verified"] != true {
        return Err(format!("the log has {event}"));
    }
    no_reject(&gateway)?;
    let shown = [
        "tls_version",
        "tls_cipher",
        "tls_cn",
        "tls_verified",
        "authority",
        "corr_id",
    ];
    let shown = shown.map(|field| format!("{field}={}", event[field]));
    Ok(format!("log: {}", shown.join(" ")))
}

/// TLS from the client to the gateway; HAProxy relays it unread.
fn tls_inside(lab: &Lab) -> Observed {
    let trusted = ["--transport.proxy.trusted", "127.0.0.1"];
    let gateway = Gateway::spawn(lab.tls(), &trusted)?;
    let balancer = sender(lab, "", &server(&gateway, "send-proxy-v2"))?;
    let front = Gateway::forward(lab, balancer.addr.port(), &[])?;
    let sent = &lab.payload[..100_000];
    drop(client(balancer.addr)?);
    let back = crate::gateway::round_trip(front.addr, sent)?;
    crate::lab::same("echoed", sent, &back)?;
    counted(&gateway, "v2", "ok", 1)?;
    gateway.handshakes("x25519", false, 1)?;
    no_reject(&gateway)?;
    Ok("bytes exact; v2 header, then a TLS handshake".into())
}

fn health_checks(lab: &Lab, option: &str) -> Observed {
    let gateway = behind(lab, &[])?;
    let options = format!("{option} inter 100ms");
    let balancer = sender(lab, "", &server(&gateway, &options))?;
    let version = if option.ends_with("v2") { "v2" } else { "v1" };
    // HAProxy announces a check of version 1 as `UNKNOWN` or with its own address.
    let headers = |scrape: &ron_lab::Scrape| {
        let of = |result: &str| {
            let labels = format!("version=\"{version}\",result=\"{result}\"");
            scrape.value(&format!("proxy_headers_total{{{labels}}}"))
        };
        of("ok") + of("no_address")
    };
    let scrape = gateway.until("health checks", |scrape| {
        headers(scrape) >= f64::from(CHECKS)
    })?;
    drop(balancer);
    no_reject(&gateway)?;
    gateway.end()?;
    Ok(format!(
        "{} checks with a header, 0 rejects",
        headers(&scrape)
    ))
}

/// HAProxy behind the gateway, in front of an echo.
fn accepted(lab: &Lab, version: &str, tls: bool) -> Observed {
    let upstream = Gateway::spawn(lab.gateway(), &[])?;
    let bind = if tls {
        format!("accept-proxy ssl crt {}", pair(lab, "server")?)
    } else {
        "accept-proxy".to_owned()
    };
    let balancer = sender(lab, &bind, &server(&upstream, ""))?;
    let port = balancer.addr.port();
    let scheme = if tls { "tls" } else { "tcp" };
    listening(&balancer)?;
    let gateway = before(lab, &format!("{scheme}://localhost:{port}"), version)?;
    in_back(lab, gateway, |client, listen| {
        let expected = format!("src={client} dst={listen} ");
        let line = balancer.process.out.line(|line| {
            let at = line.find(&expected)?;
            Some(line[at..].trim().to_owned())
        });
        let line = line.ok_or_else(|| balancer.process.out.text())?;
        let has_id = !line.contains("id=- ");
        if has_id == (version == "v2") {
            Ok(line)
        } else {
            Err(format!("the identifier in {line:?}"))
        }
    })
}

/// Waits until HAProxy listens, with a connection that it refuses.
fn listening(balancer: &Balancer) -> Result<(), String> {
    client(balancer.addr).map(drop)
}
