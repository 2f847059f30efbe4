//! `dial`: connects once and prints the result.

use std::fmt::Write as _;
use std::io::{stderr, IsTerminal};
use std::sync::Arc;

use ron_transport::escape::escape;
use ron_transport::{
    Backend, Config, Conn, ConnInfo, Endpoint, PeerIdentity, ReadyState, Transport,
};
use tokio::io::{copy, sink, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::{timeout, Duration, Instant};

use crate::exit::ExitFailure;
use crate::process;
use crate::progress;
use crate::runtime;
use crate::service::signals::Signals;
use crate::settings::dialable;
use crate::startup::Sources;
use crate::term;

/// Time for the peer to close the connection as well.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// Connects with the configured deadlines and socket options, prints, and closes.
pub(crate) fn run(sources: &Sources, target: &str) -> Result<(), ExitFailure> {
    let endpoint = dialable(target).map_err(|error| ExitFailure::Config(error.to_string()))?;
    let mut config = sources.load()?.transport.into_settings();
    only_dial(&mut config);
    if config.limits.amnesia() {
        process::no_core_dumps()
            .map_err(|error| ExitFailure::runtime("cannot disable core dumps", &error))?;
    }
    let runtime = runtime::build(Builder::new_current_thread())?;
    let outcome = runtime.block_on(async {
        let transport = Arc::new(Transport::builder().config(config).build()?);
        let mut signals = Signals::new()
            .map_err(|error| ExitFailure::runtime("cannot install signal handlers", &error))?;
        let outcome = tokio::select! {
            outcome = connect(&transport, &endpoint) => outcome,
            _ = signals.stop() => Err(ExitFailure::Runtime("interrupted".to_owned())),
        };
        // The shutdown removes the files of a Tor client.
        transport.shutdown(Duration::ZERO).await;
        outcome
    });
    // Do not wait for a pending name lookup.
    runtime.shutdown_background();
    outcome
}

/// Removes the settings of listeners.
fn only_dial(config: &mut Config) {
    config.general.set_bind_addr(None);
    // Any backend would do; TCP is always compiled in.
    let _ = config.general.set_backend(Backend::Tcp);
    #[cfg(feature = "uds")]
    let _ = config.uds.set_path("");
    #[cfg(feature = "arti")]
    config.arti.onion_service_mut().set_enabled(false);
}

async fn connect(transport: &Arc<Transport>, to: &Endpoint) -> Result<(), ExitFailure> {
    transport.prepare_for(to).await?;
    let bootstrap = bootstrap(transport).await;
    let started = Instant::now();
    let mut conn = transport.dial(to).await?;
    let took = started.elapsed();
    term::out(&report(to, &conn, bootstrap, took));
    // The connection was established, so errors of its end do not matter. Reading the data of the
    // peer avoids a reset.
    let _ = conn.shutdown().await;
    if !to.scheme().half_closes() {
        return Ok(());
    }
    let _ = timeout(CLOSE_TIMEOUT, copy(&mut conn, &mut sink())).await;
    Ok(())
}

/// Waits until Tor is ready or timed out; returns the time taken.
///
/// Returns `None` if the target does not use Tor.
async fn bootstrap(transport: &Arc<Transport>) -> Option<Duration> {
    transport.tor_progress()?;
    let started = Instant::now();
    let mut readiness = transport.readiness();
    let settled = readiness.wait_for(|state| !matches!(state, ReadyState::Degraded { .. }));
    tokio::select! {
        _ = settled => {}
        () = progress::show(transport), if stderr().is_terminal() => {}
    }
    Some(started.elapsed())
}

fn report(endpoint: &Endpoint, conn: &Conn, bootstrap: Option<Duration>, took: Duration) -> String {
    let info = conn.info();
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<11}{value}");
    };
    line("target", &escape(&endpoint.to_string()).whole().to_string());
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
        ("bootstrap", bootstrap),
        ("resolve", info.steps.resolve()),
        ("connect", info.steps.connect()),
        ("handshake", info.steps.handshake()),
        ("total", Some(took)),
    ];
    for (step, took) in steps {
        if let Some(took) = took {
            line(step, &millis(took));
        }
    }
    out
}

/// Prints the result of a TLS handshake, if any.
fn negotiated(info: &ConnInfo, line: &mut impl FnMut(&str, &str)) {
    if let Some(kx) = info.kx {
        line("kx", kx.as_str());
        line("resumed", if info.resumed { "yes" } else { "no" });
    }
    if let Some(alpn) = &info.alpn {
        line("alpn", &escape(alpn).to_string());
    }
    match &info.identity {
        PeerIdentity::Verified(identity) => {
            let names = identity.sans.iter().map(|name| escape(name).to_string());
            line("identity", &names.collect::<Vec<_>>().join(", "));
        }
        PeerIdentity::Uid(uid) => line("identity", &format!("uid:{uid}")),
        _ => {}
    }
}
