//! The peers of the load, good and bad.

use std::io::{self, Read, Write};
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::thread::Scope;
use std::time::Duration;

use ron_lab::client::{connect, ended, frame, pattern};

use crate::load::Load;
use crate::peer::{open_local, Peer};
use crate::sites::{Example, Kind, Role, Site};
use crate::{evicted, hog, http};

/// Transient peers of each gateway, and the pause between their connections.
const CHURNERS: u64 = 4;
const CHURN_EVERY: Duration = Duration::from_millis(125);
/// The pause between bad connections.
const BAD_EVERY: Duration = Duration::from_millis(500);
/// The pause between exchanges on a steady connection.
const STEADY_EVERY: Duration = Duration::from_millis(100);
/// Message sizes: below a segment, several segments, a chunk, several chunks.
const SIZES: [usize; 5] = [1, 1000, 16 << 10, 64 << 10, 256 << 10];
/// Steady connections of a gateway, and the exchanges of each.
const STEADY: u64 = 12;
const EXCHANGES: usize = 600;
/// The largest allowed frame.
const CEILING: usize = 1 << 20;

/// Starts every peer in a thread of its own.
pub(crate) fn start<'scope>(
    load: &'scope Load,
    scope: &'scope Scope<'scope, '_>,
    sites: &'scope [Site],
    examples: &'scope [Example],
) {
    scope.spawn(|| load.pauses.watch(|time| load.is_over_within(time)));
    for example in examples {
        scope.spawn(|| http::run(load, example));
        scope.spawn(|| http::run_bad(load, example));
    }
    for site in sites {
        for churner in 0..CHURNERS {
            scope.spawn(move || {
                load.again(site.name, CHURN_EVERY, |n| {
                    churn(load, site, n * CHURNERS + churner)
                });
            });
        }
        scope.spawn(|| load.again(site.name, BAD_EVERY, |n| bad(load, site, n)));
        scope.spawn(|| load.again(site.name, Duration::ZERO, |_| silent(load, site)));
        match site.role {
            Role::Evict => scope.spawn(|| evicted::run(load, site)),
            Role::Memory => scope.spawn(|| hog::run(load, site)),
            Role::Plain | Role::Workers => {
                scope.spawn(|| load.again(site.name, Duration::ZERO, |_| steady(load, site)))
            }
        };
    }
}

/// Connects, exchanges bytes, and disconnects.
fn churn(load: &Load, site: &Site, n: u64) -> Result<(), String> {
    let all = || {
        let mut peer = Peer::open(&load.tls, site, load.conns.load(Ordering::Relaxed))?;
        for turn in 0..=n % 3 {
            let size = SIZES[usize::try_from((n + turn) % 5).unwrap_or(0)];
            let bytes = peer.exchange(site, size)?;
            load.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        load.conns.fetch_add(1, Ordering::Relaxed);
        if load.is_held(n) {
            let mut held = load.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.push(peer);
            return Ok(());
        }
        peer.close(n / 3)
    };
    all().map_err(|e: io::Error| format!("connection {n}: {e}"))
}

/// Keeps connections with occasional exchanges, and replaces them after a minute's worth.
fn steady(load: &Load, site: &Site) -> Result<(), String> {
    let all = || {
        let peers = (0..STEADY).map(|n| Peer::open(&load.tls, site, n));
        let mut peers = peers.collect::<io::Result<Vec<_>>>()?;
        load.conns.fetch_add(STEADY, Ordering::Relaxed);
        let peers_count = peers.len();
        for turn in 0..EXCHANGES {
            let peer = &mut peers[turn % peers_count];
            let bytes = peer.exchange(site, SIZES[turn % SIZES.len()])?;
            load.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            if load.is_over_within(load.paced(STEADY_EVERY)) {
                break;
            }
        }
        peers.into_iter().try_for_each(|peer| peer.close(2))
    };
    all().map_err(|e: io::Error| format!("a steady connection: {e}"))
}

/// Sends invalid bytes, and must be cut off.
///
/// On TCP every byte is valid: there the peer leaves in mid-transfer with the answer unread.
fn bad(load: &Load, site: &Site, n: u64) -> Result<(), String> {
    if site.kind == Kind::Uds {
        let mut conn = open_local(site).map_err(|e| format!("bad connection {n}: {e}"))?;
        load.bad.fetch_add(1, Ordering::Relaxed);
        let _ = conn.write_all(&pattern(4 << 10));
        return Ok(());
    }
    let mut conn = connect(site.gateway.addr).map_err(|e| format!("bad connection {n}: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    let sent = match site.kind {
        Kind::Tcp | Kind::Uds => pattern(CEILING),
        Kind::Tls | Kind::Proxy => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        Kind::Frames => frame(CEILING + 1),
    };
    // The gateway may cut the connection inside the write.
    let _ = conn.write_all(&sent[..sent.len().min(4 << 10)]);
    match site.kind {
        Kind::Tcp | Kind::Uds => Ok(()),
        // An alert may arrive before the end.
        Kind::Tls | Kind::Proxy => conn.read_to_end(&mut Vec::new()).map(drop).or_else(|e| {
            let is_end = e.kind() == io::ErrorKind::ConnectionReset;
            is_end
                .then_some(())
                .ok_or_else(|| format!("garbage is not cut off: {e}"))
        }),
        Kind::Frames if ended(&mut conn) => Ok(()),
        Kind::Frames => Err("a frame over the ceiling is not cut off".into()),
    }
}

/// Stays silent until the gateway ends the handshake or the connection.
fn silent(load: &Load, site: &Site) -> Result<(), String> {
    let short = Some(Duration::from_millis(500));
    let open = || -> io::Result<Box<dyn Read>> {
        if site.kind == Kind::Uds {
            let conn = open_local(site)?;
            conn.set_read_timeout(short)?;
            return Ok(Box::new(conn));
        }
        let conn = connect(site.gateway.addr)?;
        conn.set_read_timeout(short)?;
        Ok(Box::new(conn))
    };
    let mut conn = open().map_err(|e| format!("a silent connection: {e}"))?;
    load.bad.fetch_add(1, Ordering::Relaxed);
    // Longer than any deadline that ends it.
    for _ in 0..80 {
        match conn.read(&mut [0; 64]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return Ok(()),
        }
        if load.is_over_within(Duration::ZERO) {
            return Ok(());
        }
    }
    if load.is_held(0) {
        return Ok(());
    }
    Err("a silent connection is not ended".into())
}
