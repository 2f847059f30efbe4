//! Ends that are no TLS failures, and cuts of a relay.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::gateway::Gateway;
use crate::lab::Lab;
use crate::table::Observed;

/// The number of health checks.
const CHECKS: u32 = 10;

/// A balancer's health check: FIN or RST before the first byte.
pub(super) fn health_check(lab: &Lab, reason: &str) -> Observed {
    let gateway = Gateway::echo(lab, &[])?;
    for _ in 0..CHECKS {
        let check = TcpStream::connect(gateway.addr).map_err(|e| format!("no connection: {e}"))?;
        if reason == "reset" {
            let reset = set_socket_linger(&check, Some(Duration::ZERO));
            reset.map_err(|e| format!("no reset: {e}"))?;
        }
    }
    gateway.closed(reason, CHECKS)?;
    no_failure(&gateway, 0)?;
    gateway.stop()?;
    Ok(format!("{CHECKS} closes {reason}, no reject"))
}

/// Checks the number of successful handshakes, and that none failed.
pub(super) fn no_failure(gateway: &Gateway, handshakes: u32) -> Result<(), String> {
    gateway.handshakes_reach("x25519", handshakes)?;
    gateway.rejected("tls", 0)?;
    let failed = "kx=\"none\",resumed=\"no\",result=\"error\"";
    gateway.metric_is(&format!("tls_handshakes_total{{{failed}}}"), 0)
}

/// Runs an echo upstream without TLS; returns how its only connection ended.
pub(super) fn upstream() -> Result<(u16, JoinHandle<Observed>), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    let echo = move || {
        let (mut stream, _) = listener.accept().map_err(|e| e.to_string())?;
        let mut buf = [0; 16384];
        loop {
            match stream.read(&mut buf) {
                Ok(0) => return Err("the upstream saw EOF".into()),
                Ok(read) => stream.write_all(&buf[..read]).map_err(|e| e.to_string())?,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    return Ok("the upstream saw a reset".into());
                }
                Err(e) => return Err(format!("the upstream saw: {e}")),
            }
        }
    };
    Ok((port, thread::spawn(echo)))
}
