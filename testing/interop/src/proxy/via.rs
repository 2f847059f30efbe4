//! Dials through SOCKS5 and HTTP proxies of other projects (`dial.via`).
//!
//! A gateway forwards to another one through the proxy. The first has a name of the target that only
//! the proxy's host resolves the same way; the proxy's log or its refusal shows that it was asked.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use ron_lab::client::connect;
use ron_lab::process::{run, version, wait_for, Process, PATIENCE};

use super::rows::{client, free_addr, no_reject};
use crate::gateway::Gateway;
use crate::lab::{same, Lab};
use crate::peers::Peer;
use crate::table::{Observed, Side};

/// User and password of the proxies that have some.
const USER: &str = "dialer";
const PASSWORD: &str = "pass-word";
/// The user information of the URL.
const USERINFO: &str = "dialer:pass%2Dword@";

const THROUGH: &str = "bytes exact through the proxy";

pub(super) const MICROSOCKS: Peer = Peer {
    name: "microsocks",
    quick: true,
    version: |_| package("microsocks"),
    run: |lab, rows| {
        rows.row(Side::Client, "SOCKS5", THROUGH, || {
            through(lab, &microsocks(&[])?, "", "tcp", &[])
        });
        rows.row(Side::Client, "SOCKS5, user and password", THROUGH, || {
            through(lab, &microsocks(&AUTH)?, USERINFO, "tcp", &[])
        });
        let what = "SOCKS5, TLS to the target";
        rows.row(Side::Client, what, "TLS for the target's name", || {
            through(lab, &microsocks(&[])?, "", "tls", &[])
        });
        let what = "SOCKS5, proxy.send = v2";
        rows.row(Side::Client, what, "the client in the target's log", || {
            announced(lab, &microsocks(&[])?)
        });
        let what = "SOCKS5, a wrong password";
        rows.row(Side::Client, what, "dial error auth", || {
            refused(
                lab,
                &microsocks(&AUTH)?,
                "dialer:wrong@",
                "tcp://localhost:9",
                "auth",
            )
        });
        let what = "SOCKS5, a closed port";
        rows.row(Side::Client, what, "dial error of the reply", || {
            let to = format!("tcp://localhost:{}", free_addr()?.port());
            refused(lab, &microsocks(&[])?, "", &to, "reply 5")
        });
    },
};

const AUTH: [&str; 4] = ["-u", USER, "-P", PASSWORD];

pub(super) const DANTE: Peer = Peer {
    name: "dante",
    quick: true,
    version: |_| package("dante-server"),
    run: |lab, rows| {
        rows.row(Side::Client, "SOCKS5", THROUGH, || {
            through(lab, &dante(lab)?, "", "tcp", &[])
        });
        let what = "SOCKS5, dial.source_addr";
        rows.row(Side::Client, what, "the source address in its log", || {
            let proxy = dante(lab)?;
            let more = ["--transport.dial.source-addr", "127.0.0.55"];
            let seen = through(lab, &proxy, "", "tcp", &more)?;
            let line = proxy.process.out.line(|line| {
                (line.contains("pass(") && line.contains("127.0.0.55"))
                    .then(|| line.trim().to_owned())
            });
            let line = line.ok_or_else(|| proxy.process.out.text())?;
            Ok(format!("{seen}; its log: {line}"))
        });
        let what = "SOCKS5, a port that its rules exclude";
        rows.row(Side::Client, what, "dial error of the reply", || {
            refused(lab, &dante(lab)?, "", "tcp://localhost:1", "reply 2")
        });
    },
};

pub(super) const OPENSSH: Peer = Peer {
    name: "openssh",
    quick: false,
    version: |_| {
        let said = run(Command::new("ssh").arg("-V"), PATIENCE)?;
        Ok(said
            .err
            .split([' ', ','])
            .next()
            .unwrap_or_default()
            .to_owned())
    },
    run: |lab, rows| {
        rows.row(Side::Client, "ssh -D", THROUGH, || {
            let (_server, proxy) = openssh(lab)?;
            through(lab, &proxy, "", "tcp", &[])
        });
        rows.row(
            Side::Client,
            "ssh -D, TLS to the target",
            "TLS for the target's name",
            || {
                let (_server, proxy) = openssh(lab)?;
                through(lab, &proxy, "", "tls", &[])
            },
        );
    },
};

pub(super) const TINYPROXY: Peer = Peer {
    name: "tinyproxy",
    quick: true,
    version: |_| {
        let said = version("tinyproxy", &["-v"])?;
        Ok(said.rsplit(' ').next().unwrap_or_default().to_owned())
    },
    run: |lab, rows| {
        rows.row(Side::Client, "CONNECT", THROUGH, || {
            through(lab, &tinyproxy(lab, "")?, "", "tcp", &[])
        });
        let auth = format!("BasicAuth {USER} {PASSWORD}\n");
        rows.row(Side::Client, "CONNECT, user and password", THROUGH, || {
            through(lab, &tinyproxy(lab, &auth)?, USERINFO, "tcp", &[])
        });
        let what = "CONNECT, TLS to the target";
        rows.row(Side::Client, what, "TLS for the target's name", || {
            through(lab, &tinyproxy(lab, "")?, "", "tls", &[])
        });
        let what = "CONNECT, proxy.send = v2";
        rows.row(Side::Client, what, "the client in the target's log", || {
            announced(lab, &tinyproxy(lab, "")?)
        });
        let what = "CONNECT, no password";
        rows.row(Side::Client, what, "dial error status 407", || {
            refused(
                lab,
                &tinyproxy(lab, &auth)?,
                "",
                "tcp://localhost:9",
                "status 407",
            )
        });
        let what = "CONNECT, a port that its rules exclude";
        rows.row(Side::Client, what, "dial error status 403", || {
            let proxy = tinyproxy(lab, "ConnectPort 443\n")?;
            refused(lab, &proxy, "", "tcp://localhost:9", "status 403")
        });
    },
};

/// A running proxy.
struct Tunneler {
    process: Process,
    addr: SocketAddr,
    scheme: &'static str,
}

/// Starts a proxy and waits until it listens.
fn start(
    command: &mut Command,
    addr: SocketAddr,
    scheme: &'static str,
) -> Result<Tunneler, String> {
    let process = Process::start(command)?;
    let listening = wait_for("a listening proxy", PATIENCE, || Ok(connect(addr).ok()));
    listening.map_err(|e| format!("{e}: {} {}", process.out.text(), process.err.text()))?;
    Ok(Tunneler {
        process,
        addr,
        scheme,
    })
}

/// Returns the version of a Debian package.
fn package(name: &str) -> Result<String, String> {
    version("dpkg-query", &["-W", "-f", "${Version}", name])
}

fn microsocks(more: &[&str]) -> Result<Tunneler, String> {
    let addr = free_addr()?;
    let port = addr.port().to_string();
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port]).args(more);
    start(&mut command, addr, "socks5")
}

fn dante(lab: &Lab) -> Result<Tunneler, String> {
    let addr = free_addr()?;
    let port = addr.port();
    let config = format!(
        "logoutput: stdout\ninternal: 127.0.0.1 port = {port}\nexternal: lo\n\
         socksmethod: none\nclientmethod: none\nuser.unprivileged: nobody\n\
         client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect }}\n\
         socks block {{ from: 0.0.0.0/0 to: 0.0.0.0/0 port = 1 }}\n\
         socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect }}\n"
    );
    let path = lab.write("danted.conf", &config)?;
    start(Command::new("danted").args(["-f", &path]), addr, "socks5")
}

fn tinyproxy(lab: &Lab, more: &str) -> Result<Tunneler, String> {
    let addr = free_addr()?;
    let config = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n{more}",
        addr.port()
    );
    let path = lab.write("tinyproxy.conf", &config)?;
    start(
        Command::new("tinyproxy").args(["-d", "-c", &path]),
        addr,
        "http",
    )
}

/// Starts a server, and a client that is a SOCKS5 proxy.
fn openssh(lab: &Lab) -> Result<(Process, Tunneler), String> {
    let (server, addr) = (free_addr()?, free_addr()?);
    for name in ["ssh-host", "ssh-user"] {
        if !Path::new(&lab.file(name)).exists() {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &lab.file(name)]);
            run(&mut keygen, PATIENCE)?;
        }
    }
    let public = fs::read_to_string(lab.file("ssh-user.pub")).map_err(|e| e.to_string())?;
    let keys = lab.write("ssh-authorized", &public)?;
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&keys, mode).map_err(|e| e.to_string())?;
    fs::create_dir_all("/run/sshd").map_err(|e| e.to_string())?;
    let config = format!(
        "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {keys}\n\
         StrictModes no\nUsePAM no\nPidFile none\nAllowTcpForwarding yes\n",
        server.port(),
        lab.file("ssh-host")
    );
    let config = lab.write("sshd.conf", &config)?;
    let daemon = Process::start(Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &config]))?;
    let listening = wait_for("a listening sshd", PATIENCE, || Ok(connect(server).ok()));
    listening.map_err(|e| format!("{e}: {}", daemon.err.text()))?;
    let user = run(Command::new("id").arg("-un"), PATIENCE)?;
    let user = String::from_utf8_lossy(&user.out).trim().to_owned();
    let mut client = Command::new("ssh");
    client.args([
        "-N",
        "-D",
        &addr.to_string(),
        "-p",
        &server.port().to_string(),
    ]);
    client.args(["-i", &lab.file("ssh-user"), "-l", &user, "-F", "none"]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "BatchMode=yes",
    ] {
        client.args(["-o", option]);
    }
    let proxy = start(client.arg("127.0.0.1"), addr, "socks5h")?;
    Ok((daemon, proxy))
}

/// Starts forwarding through the proxy.
fn forward(
    lab: &Lab,
    proxy: &Tunneler,
    userinfo: &str,
    to: &str,
    more: &[&str],
) -> Result<Gateway, String> {
    let via = format!("{}://{userinfo}{}", proxy.scheme, proxy.addr);
    let start = lab.gateway().args(["--forward", to]).args(lab.trust());
    let start = start.args(["--transport.dial.via", &via]);
    Gateway::spawn(start, more)
}

/// Sends the payload, and ends after its echo; returns the client's address.
///
/// microsocks and tinyproxy end both directions with the first end of stream.
fn echo(lab: &Lab, to: SocketAddr) -> Result<SocketAddr, String> {
    let stream = client(to)?;
    let addr = stream.local_addr().map_err(|e| e.to_string())?;
    let mut back = vec![0; lab.payload.len()];
    thread::scope(|scope| {
        // A failed write shows in the received bytes.
        scope.spawn(|| (&stream).write_all(&lab.payload));
        (&stream).read_exact(&mut back)
    })
    .map_err(|e| format!("the echo: {e}"))?;
    same("echoed", &lab.payload, &back)?;
    // A reset if the proxy has cut off the end of TLS.
    let end = stream.shutdown(Shutdown::Write);
    let _ = end.and_then(|()| (&stream).read_to_end(&mut back));
    same("echoed", &lab.payload, &back)?;
    Ok(addr)
}

/// Checks the echo of the payload through the proxy.
fn through(lab: &Lab, proxy: &Tunneler, userinfo: &str, scheme: &str, more: &[&str]) -> Observed {
    let upstream = match scheme {
        "tls" => Gateway::echo(lab, &[])?,
        _ => Gateway::spawn(lab.gateway(), &[])?,
    };
    let to = format!("{scheme}://localhost:{}", upstream.port());
    let gateway = forward(lab, proxy, userinfo, &to, more)?;
    echo(lab, gateway.addr)?;
    let hop = upstream.logs("close", |event| event["peer"].is_string())?;
    let backend = format!("backend=\"{scheme}\",result=\"ok\"");
    gateway.metric_is(&format!("transport_dials_total{{{backend}}}"), 1)?;
    let addr = proxy.addr.to_string();
    gateway.logs("close", |event| event["peer"] == addr.as_str())?;
    no_reject(&gateway)?;
    gateway.end()?;
    Ok(format!("bytes exact; {to} saw {}", hop["peer"]))
}

/// Checks that the target learns the client.
fn announced(lab: &Lab, proxy: &Tunneler) -> Observed {
    let upstream = super::rows::behind(lab, &[])?;
    let to = format!("tcp://localhost:{}", upstream.port());
    let gateway = forward(lab, proxy, "", &to, &["--transport.proxy.send", "v2"])?;
    let client = echo(lab, gateway.addr)?;
    let event = super::rows::announced(&upstream, client)?;
    gateway.end()?;
    Ok(format!(
        "bytes exact; log: peer {client} via {}",
        event["via"]
    ))
}

/// Checks that the dial fails, as an error of the kind `via`.
fn refused(lab: &Lab, proxy: &Tunneler, userinfo: &str, to: &str, text: &str) -> Observed {
    let gateway = forward(lab, proxy, userinfo, to, &[])?;
    drop(connect(gateway.addr).map_err(|e| e.to_string())?);
    let text = match text {
        "auth" => "rejected the user name",
        text => text,
    };
    let error = gateway.error_with("dial", "via", text)?;
    if gateway.log().contains("wrong") {
        return Err("the password is in the log".into());
    }
    gateway.metric_reaches("transport_dials_total{backend=\"tcp\",result=\"error\"}", 1)?;
    gateway.end()?;
    Ok(error)
}
