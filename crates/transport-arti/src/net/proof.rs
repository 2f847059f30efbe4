//! The proof of a path: builds a circuit of each required kind.
//!
//! A complete directory is no proof. Arti selects the guard before the exit. On a small network
//! every exit can be the guard itself or a member of its family, and then no path exists while Arti
//! prefers that guard.

use std::sync::Arc;

use arti_client::{ErrorKind, HasKind, IsolationToken, TorClient};
use tor_circmgr::isolation::StreamIsolation;
use tor_circmgr::{CircMgr, DirInfo, TargetPort};
use tor_netdir::{FamilyRules, NetDir, Relay, Timeliness};

use crate::client::{exits_to, ArtiRuntime, PathNeeds};
use crate::events::TARGET;

/// The outcome of a probe or a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeResult {
    /// The network responded.
    Carried,
    Failed,
    /// The directory allows no path.
    NoPath,
    /// No path exists: every exit is the guard or in its family.
    GuardBlocksExits {
        /// The guard's Ed25519 identity, in base64.
        guard: String,
    },
}

/// Builds a circuit of each required kind.
///
/// Announced dials and the onion service determine the kinds. Without either, it builds an exit circuit, or on a network without exits a circuit as to an
/// onion service. Has no deadline of its own.
pub(super) async fn prove(
    tor: Arc<TorClient<ArtiRuntime>>,
    needs: PathNeeds,
    serving: bool,
) -> ProbeResult {
    let (Ok(circuits), Ok(directory)) = (tor.circmgr(), tor.dirmgr()) else {
        return ProbeResult::Failed;
    };
    let Ok(netdir) = directory.netdir(Timeliness::Timely) else {
        return ProbeResult::Failed;
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
    ProbeResult::Carried
}

/// Builds an exit circuit and retires it before a stream uses it.
async fn exit(
    circuits: &CircMgr<ArtiRuntime>,
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

/// Builds a circuit as a client and, if `serving`, as a service.
async fn onion(tor: &TorClient<ArtiRuntime>, netdir: &NetDir, serving: bool) -> ProbeResult {
    let Ok(circuits) = tor.hs_circ_pool() else {
        return ProbeResult::Failed;
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
    ProbeResult::Carried
}

/// Determines why no path through an exit exists.
async fn no_path(tor: &TorClient<ArtiRuntime>, netdir: &NetDir, port: Option<u16>) -> ProbeResult {
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
            ProbeResult::GuardBlocksExits {
                guard: guard.id().to_string(),
            }
        }
        _ => {
            failed("exit", ErrorKind::NoPath);
            ProbeResult::NoPath
        }
    }
}

/// Returns the guard of data circuits; `None` if it is a bridge.
async fn guard<'a>(tor: &TorClient<ArtiRuntime>, netdir: &'a NetDir) -> Option<Relay<'a>> {
    let circuits = tor.hs_circ_pool().ok()?;
    let (tunnel, _) = circuits.get_or_launch_client_rend(netdir).await.ok()?;
    let first = AsRef::<tor_proto::ClientTunnel>::as_ref(&tunnel).first_hop();
    netdir.by_ids(&first.ok()?)
}

fn failed(circuit: &str, kind: ErrorKind) -> ProbeResult {
    tracing::debug!(
        target: TARGET,
        event = "bootstrap",
        error = %kind,
        "cannot build the {circuit} circuit yet",
    );
    ProbeResult::Failed
}
