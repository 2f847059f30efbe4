//! Proves that dials and the onion service have a path: builds a circuit of each kind they need.
//!
//! A directory that is complete proves nothing yet. Arti chooses the guard before the exit, so that
//! on a small network every exit can be the guard itself or of its family, and then no path exists
//! for as long as that guard is the first choice.

use std::sync::Arc;

use arti_client::{ErrorKind, HasKind, IsolationToken, TorClient};
use tor_circmgr::isolation::StreamIsolation;
use tor_circmgr::{CircMgr, DirInfo, TargetPort};
use tor_netdir::{FamilyRules, NetDir, Relay, Timeliness};

use super::needs::Needs;
use super::runtime::Runtime;
use super::TARGET;

/// What a probe or a proof found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The network carried it.
    Carried,
    Failed,
    /// The directory allows no path.
    NoPath,
    /// No path exists, since every exit is the guard or of its family: the guard's Ed25519
    /// identity, in base64.
    GuardInTheWay(String),
}

/// Builds a circuit of each kind that the announced dials and the onion service need. Without
/// either, an exit circuit where the network has exits, else one as to an onion service.
///
/// It may take long: the caller has a deadline.
pub(super) async fn prove(tor: Arc<TorClient<Runtime>>, needs: Needs, serving: bool) -> Answer {
    let (Ok(circuits), Ok(directory)) = (tor.circmgr(), tor.dirmgr()) else {
        return Answer::Failed;
    };
    let Ok(netdir) = directory.netdir(Timeliness::Timely) else {
        return Answer::Failed;
    };
    let undecided = needs.is_empty() && !serving;
    let any_exit = undecided && netdir.relays().any(|relay| exits_to(&relay, None));
    let ports = needs.ports.iter().copied().map(Some);
    for port in ports.chain(any_exit.then_some(None)) {
        if let Err(kind) = exit(&circuits, &netdir, port).await {
            return match kind {
                ErrorKind::NoPath | ErrorKind::NoExit => no_path(&tor, &netdir, port).await,
                _ => failed("exit", kind),
            };
        }
    }
    if needs.onion || serving || (undecided && !any_exit) {
        return onion(&tor, &netdir, serving).await;
    }
    Answer::Carried
}

/// Returns whether an exit to this port is listed, where the directory is known.
pub(crate) fn has_exit(tor: &TorClient<Runtime>, port: u16) -> bool {
    let netdir = tor.dirmgr().ok();
    let netdir = netdir.and_then(|directory| directory.netdir(Timeliness::Timely).ok());
    netdir.map_or(true, |netdir| {
        netdir.relays().any(|relay| exits_to(&relay, Some(port)))
    })
}

fn exits_to(relay: &Relay<'_>, port: Option<u16>) -> bool {
    let details = relay.low_level_details();
    match port {
        Some(port) => details.supports_exit_port_ipv4(port),
        None => details.policies_allow_some_port(),
    }
}

/// Builds an exit circuit that no stream shares.
async fn exit(
    circuits: &CircMgr<Runtime>,
    netdir: &NetDir,
    port: Option<u16>,
) -> Result<(), ErrorKind> {
    let isolation = StreamIsolation::builder()
        .owner_token(IsolationToken::new())
        .build()
        .map_err(|_| ErrorKind::Internal)?;
    let ports: Vec<_> = port.map(TargetPort::ipv4).into_iter().collect();
    let tunnel = circuits
        .get_or_launch_exit(DirInfo::Directory(netdir), &ports, isolation)
        .await
        .map_err(|error| error.kind())?;
    circuits.retire_circ(&tunnel.unique_id());
    Ok(())
}

/// Builds a circuit as a client of onion services does, and one as a service does.
async fn onion(tor: &TorClient<Runtime>, netdir: &NetDir, serving: bool) -> Answer {
    let Ok(circuits) = tor.hs_circ_pool() else {
        return Answer::Failed;
    };
    let relay = match circuits.get_or_launch_client_rend(netdir).await {
        Ok((_tunnel, relay)) => relay,
        Err(error) => return failed("onion client", error.kind()),
    };
    if serving {
        if let Err(error) = circuits.get_or_launch_svc_rend(netdir, relay).await {
            return failed("onion service", error.kind());
        }
    }
    Answer::Carried
}

/// Finds out why there is no path through an exit.
async fn no_path(tor: &TorClient<Runtime>, netdir: &NetDir, port: Option<u16>) -> Answer {
    let guard = guard(tor, netdir).await;
    let rules = FamilyRules::from(netdir.params());
    let mut exits = netdir
        .relays()
        .filter(|relay| exits_to(relay, port))
        .peekable();
    match guard {
        Some(guard)
            if exits.peek().is_some()
                && exits.all(|exit| exit.low_level_details().in_same_family(&guard, rules)) =>
        {
            Answer::GuardInTheWay(guard.id().to_string())
        }
        _ => {
            failed("exit", ErrorKind::NoPath);
            Answer::NoPath
        }
    }
}

/// Returns the first hop of circuits that carry data; none where it is a bridge.
async fn guard<'a>(tor: &TorClient<Runtime>, netdir: &'a NetDir) -> Option<Relay<'a>> {
    let circuits = tor.hs_circ_pool().ok()?;
    let (tunnel, _) = circuits.get_or_launch_client_rend(netdir).await.ok()?;
    let first = AsRef::<tor_proto::ClientTunnel>::as_ref(&tunnel).first_hop();
    netdir.by_ids(&first.ok()?)
}

fn failed(circuit: &str, kind: ErrorKind) -> Answer {
    tracing::debug!(
        target: TARGET,
        event = "bootstrap",
        error = %kind,
        "{circuit} circuit cannot be built yet",
    );
    Answer::Failed
}
