//! nginx: `proxy_protocol on` in front of the gateway, and `listen … proxy_protocol` behind it.

use std::net::SocketAddr;
use std::process::Command;

use ron_lab::process::{run, Process, PATIENCE};

use super::rows::{before, behind, client, free_addr, in_back, in_front, Balancer};
use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::peers::Peer;
use crate::table::{Observed, Rows, Side};

pub(super) const PEER: Peer = Peer {
    name: "nginx",
    quick: true,
    version: |_| {
        // It prints its version to standard error.
        let said = run(Command::new("nginx").arg("-v"), PATIENCE)?;
        let version = said.err.trim().rsplit('/').next().unwrap_or_default();
        Ok(version.to_owned())
    },
    run: all,
};

const NAMED: &str = "bytes exact, the client in the log";
/// Where Debian has the stream module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

fn all(lab: &Lab, rows: &mut Rows<'_>) {
    rows.row(Side::Server, "stream, proxy_protocol on", NAMED, || {
        let gateway = behind(lab, &[])?;
        let balancer = start(lab, "", &format!("{}; proxy_protocol on", gateway.addr))?;
        in_front(lab, gateway, &balancer, "v1")
    });
    for version in ["v1", "v2"] {
        let what = format!("listen … proxy_protocol, proxy.send = {version}");
        rows.row(Side::Client, &what, NAMED, || accepted(lab, version));
    }
}

fn start(lab: &Lab, listen: &str, pass: &str) -> Result<Balancer, String> {
    let addr = free_addr()?;
    let pid = lab.file("nginx.pid");
    let module = if std::path::Path::new(MODULE).exists() {
        format!("load_module {MODULE};\n")
    } else {
        String::new()
    };
    let config = format!(
        "{module}daemon off;\nmaster_process off;\npid {pid};\nerror_log stderr;\n\
         events {{ }}\n\
         stream {{\n  log_format row 'src=$proxy_protocol_addr:$proxy_protocol_port \
         dst=$proxy_protocol_server_addr:$proxy_protocol_server_port status=$status';\n  \
         access_log /dev/stdout row;\n  \
         server {{ listen {addr} {listen}; proxy_pass {pass}; proxy_half_close on; }}\n}}\n"
    );
    let path = lab.write("nginx.conf", &config)?;
    let process = Process::start(Command::new("nginx").args(["-e", "stderr", "-c", &path]))?;
    Ok(Balancer { process, addr })
}

fn accepted(lab: &Lab, version: &str) -> Observed {
    let upstream = Gateway::spawn(lab.gateway(), &[])?;
    let balancer = start(lab, "proxy_protocol", &upstream.addr.to_string())?;
    drop(client(balancer.addr)?);
    let gateway = before(lab, &format!("tcp://{}", balancer.addr), version)?;
    in_back(lab, gateway, |client: SocketAddr, listen: SocketAddr| {
        let expected = format!("src={client} dst={listen} status=200");
        let line = balancer
            .process
            .out
            .line(|line| (line.trim() == expected).then(|| expected.clone()));
        line.ok_or_else(|| {
            let (out, err) = (balancer.process.out.text(), balancer.process.err.text());
            format!("no line {expected:?} in {out:?}; {err}")
        })
    })
}
