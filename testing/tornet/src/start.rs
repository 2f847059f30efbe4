//! The start of a network: keys, configuration, processes, first consensus.
//!
//! The authorities vote for the first time before the next multiple of the voting interval on the
//! wall clock, and again only minutes later. A relay that a busy machine kept from publishing by
//! then would be missing. Such a start is repeated with more time before the vote.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::daemon::Daemon;
use super::node::{Identity, Node};
use super::sweeper::Sweeper;
use super::torrc::Guards;
use super::{keys, ports, torrc, TorNet, TorNetError};

/// The first voting interval of each attempt, in seconds.
///
/// tor requires divisors of half an hour.
const INTERVALS: [u64; 3] = [10, 20, 30];
/// The window for starting nodes, after a multiple of the interval.
const WINDOW: Duration = Duration::from_secs(2);
/// The start-up time of nodes, without votes.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Starts a network in a new directory below `parent`.
pub(super) fn start(parent: &Path, guards: Guards) -> Result<TorNet, TorNetError> {
    let failed = |e| TorNetError::io("a directory for the network", e);
    let parent = parent.canonicalize().map_err(failed)?;
    let dir = tempfile::Builder::new()
        .prefix("ron-tornet-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let sweeper = Sweeper::start(dir.path()).map_err(|e| TorNetError::io("sh", e))?;
    // The sweeper owns the directory from here on.
    let dir = dir.keep();
    let mut errors = String::new();
    for interval in INTERVALS {
        match attempt(&dir, interval, guards) {
            Ok(daemons) => {
                return Ok(TorNet {
                    daemons,
                    dir,
                    _sweeper: sweeper,
                })
            }
            Err(why) => errors += &format!("\n- votes every {interval} s: {why}"),
        }
    }
    Err(TorNetError::new(format!(
        "the Tor network did not start:{errors}"
    )))
}

/// Starts the nodes that do not run, and waits until all serve.
pub(super) fn restart(daemons: &[Daemon]) -> Result<(), TorNetError> {
    daemons.iter().try_for_each(Daemon::start)?;
    wait(daemons, 2 * PATIENCE)
}

fn attempt(dir: &Path, interval: u64, guards: Guards) -> Result<Vec<Daemon>, TorNetError> {
    let identities = identities(dir)?;
    let owner = std::process::id();
    let mut daemons = Vec::new();
    for own in &identities {
        let dir = dir.join(own.node.nickname());
        let torrc = torrc::torrc(own, &identities, &dir, interval, owner, guards);
        write(&dir.join("torrc"), &torrc)?;
        if own.authority.is_some() {
            write(
                &dir.join("router-stability"),
                &torrc::stability(&identities),
            )?;
        }
        daemons.push(Daemon::new(own.clone(), dir));
    }
    std::thread::sleep(until_start(since_epoch(), Duration::from_secs(interval)));
    daemons.iter().try_for_each(Daemon::start)?;
    wait(&daemons, Duration::from_secs(2 * interval) + PATIENCE)?;
    Ok(daemons)
}

fn write(path: &Path, text: &str) -> Result<(), TorNetError> {
    fs::write(path, text).map_err(|e| TorNetError::io(path.display(), e))
}

/// Makes the keys of all nodes in parallel.
///
/// That takes seconds of CPU time.
fn identities(dir: &Path) -> Result<Vec<Identity>, TorNetError> {
    let ports: [u16; 2 * Node::ALL.len()] =
        ports::free().map_err(|e| TorNetError::io("ports", e))?;
    std::thread::scope(|scope| {
        let of = |(node, ports): (Node, &[u16])| {
            let (dir, or_port, dir_port) = (dir.join(node.nickname()), ports[0], ports[1]);
            scope.spawn(move || keys::make(node, &dir, or_port, dir_port))
        };
        let nodes = Node::ALL.into_iter().zip(ports.chunks(2));
        let threads: Vec<_> = nodes.map(of).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            let panicked = |_| Err(TorNetError::new("the thread that makes keys panicked"));
            thread.join().unwrap_or_else(panicked)
        };
        threads.into_iter().map(join).collect()
    })
}

/// Waits until all nodes serve.
fn wait(daemons: &[Daemon], patience: Duration) -> Result<(), TorNetError> {
    let deadline = Instant::now() + patience;
    for daemon in daemons {
        while let Err(why) = daemon.ready()? {
            if Instant::now() > deadline {
                let why = format!("not ready after {} s: {why}", patience.as_secs());
                return Err(daemon.failed(why));
            }
            // Another node that ended is the likelier cause.
            for other in daemons {
                other.running()?;
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}

fn since_epoch() -> Duration {
    // A clock before 1970 gives a wrong moment, and the start is repeated.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Returns the time until the window for starting opens.
fn until_start(since_epoch: Duration, interval: Duration) -> Duration {
    let into = Duration::from_nanos(
        u64::try_from(since_epoch.as_nanos() % interval.as_nanos()).unwrap_or_default(),
    );
    if into < WINDOW {
        Duration::ZERO
    } else {
        interval - into
    }
}

#[test]
fn nodes_start_after_multiple_of_interval() {
    let until = |ms| until_start(Duration::from_millis(ms), Duration::from_secs(10));
    assert_eq!(until(1_700_000_000_000), Duration::ZERO);
    assert_eq!(until(1_700_000_001_999), Duration::ZERO);
    assert_eq!(until(1_700_000_002_000), Duration::from_secs(8));
    assert_eq!(until(1_700_000_009_999), Duration::from_millis(1));
}
