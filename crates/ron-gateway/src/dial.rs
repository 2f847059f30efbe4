//! `dial`: connects once and tells what came of it.

use std::fmt::Write as _;

use ron_transport::{Conn, ConnInfo, Endpoint, PeerIdentity, Transport};
use tokio::io::{copy, sink, AsyncWriteExt};
use tokio::time::{timeout, Duration, Instant};

use crate::exit::Failure;
use crate::settings::dialable;
use crate::startup::Sources;
use crate::term;

/// How long the peer has to end the connection too.
const FAREWELL: Duration = Duration::from_millis(250);

/// Connects with the configured deadlines and socket options, prints, and closes.
pub(crate) fn run(sources: &Sources, target: &str) -> Result<(), Failure> {
    let endpoint = dialable(target).map_err(|error| Failure::Config(error.to_string()))?;
    let mut config = sources.load()?.transport.into_settings();
    // A transport that only dials.
    config.general.set_bind_addr(None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime("cannot start", &error))?;
    let outcome = runtime.block_on(async {
        let transport = Transport::builder().config(config).build()?;
        let started = Instant::now();
        let mut conn = transport.dial(&endpoint).await?;
        let took = started.elapsed();
        term::out(&report(&endpoint, &conn, took));
        // The connection stands: how it ends is of no interest. What the peer sent is read, so
        // that it sees an end and not a reset.
        let _ = conn.shutdown().await;
        let _ = timeout(FAREWELL, copy(&mut conn, &mut sink())).await;
        Ok(())
    });
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    outcome
}

fn report(endpoint: &Endpoint, conn: &Conn, took: Duration) -> String {
    let info = conn.info();
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<11}{value}");
    };
    line("target", &endpoint.to_string());
    line("backend", info.backend.as_str());
    if let Some(peer) = info.peer.and_then(|peer| peer.loggable()) {
        line("peer", &peer);
    }
    if let Some(local) = info.local {
        line("local", &local.to_string());
    }
    negotiated(info, &mut line);
    let millis = |took: Duration| format!("{:.3} ms", took.as_secs_f64() * 1e3);
    let steps = [
        ("resolve", info.steps.resolve),
        ("connect", info.steps.connect),
        ("handshake", info.steps.handshake),
        ("total", Some(took)),
    ];
    for (step, took) in steps {
        if let Some(took) = took {
            line(step, &millis(took));
        }
    }
    out
}

/// What a handshake agreed on, where there was one.
fn negotiated(info: &ConnInfo, line: &mut impl FnMut(&str, &str)) {
    if let Some(kx) = info.kx {
        line("kx", kx.as_str());
        line("resumed", if info.resumed { "yes" } else { "no" });
    }
    if let Some(alpn) = &info.alpn {
        line("alpn", &alpn.escape_ascii().to_string());
    }
    match &info.identity {
        PeerIdentity::Verified(identity) => line("identity", &identity.sans.join(", ")),
        PeerIdentity::Uid(uid) => line("identity", &format!("uid:{uid}")),
        _ => {}
    }
}
