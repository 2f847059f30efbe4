//! The maximum of connections that never read, within the limit.
//!
//! The gateway must survive, and serve afterwards.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::client::{flood, frame, pattern};
use ron_lab::{Gateway, Lab};

use crate::args::Args;
use crate::client::{exchange, Client, Kind, BYTES};
use crate::limit::Limit;
use crate::load::CONNS;
use crate::Seen;

/// The largest frame.
const FRAME: usize = 1 << 20;
/// The source addresses of the connections.
const PEERS: usize = 32;
/// Longer than every deadline of the preset.
const FLOOD: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_millis(100);
const MIB: f64 = 1024.0 * 1024.0;

/// The target of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// An echo of bytes.
    Echo(Kind),
    /// An echo of frames.
    Frames,
    /// A relay to a target that reads nothing.
    Relay,
}

pub(crate) fn measure(lab: &Lab, what: Flood, args: &Args) -> Seen {
    let limit = Limit::new(args.mib << 20, args.limit)?;
    let words = limit.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let kind = match what {
        Flood::Echo(kind) => kind,
        Flood::Frames | Flood::Relay => Kind::Tcp,
    };
    let start = kind.start(lab, lab.gateway()).before(&words);
    // The connections stay in the target's backlog.
    let sink = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no target: {e}"))?;
    let to = sink.local_addr().map_err(|e| format!("no target: {e}"))?;
    let start = match what {
        Flood::Echo(_) => start,
        Flood::Frames => start.args(["--echo-frames"]),
        Flood::Relay => start.args(["--forward", &format!("tcp://{to}")]),
    };
    let gateway = start.spawn()?;
    let client = Client::new(lab, kind, gateway.addr)?;
    let idle = gateway.status("VmRSS:")? * 1024.0;
    let most_held = one_flood(&gateway, &client)?;
    let gone = gateway.until("the end of the flood", |now| now.inflight() < 0.5)?;
    if what != Flood::Relay {
        let mut conn = client.open().map_err(|e| format!("after the flood: {e}"))?;
        let sent = match what {
            Flood::Frames => frame(BYTES),
            _ => pattern(BYTES),
        };
        exchange(conn.as_mut(), &sent, 1)?;
    }
    let peak = gateway.status("VmHWM:")? * 1024.0;
    gateway.stop()?;
    let charged = limit.charged()?;
    let is_good = peak < limit.bytes as f64
        && gone.value("memory_held_bytes") < 0.5
        && charged.map_or(true, |(_, kills)| kills == 0);
    let text = format!(
        "{CONNS} connections that never read, within {:.0} MiB by {}: survives; resident {:.1} MiB idle, \
         {:.1} at the peak; memory_held_bytes {:.1} MiB at most, then 0",
        limit.bytes as f64 / MIB,
        limit.means.name(),
        idle / MIB,
        peak / MIB,
        most_held / MIB,
    );
    Ok((is_good, text))
}

/// Floods the gateway; returns the maximum of bytes held for peers.
fn one_flood(gateway: &Gateway, client: &Client) -> Result<f64, String> {
    // From many addresses, because one peer alone gets a quarter of the budget.
    let conns = (0..CONNS).map(|n| {
        let peer = u8::try_from(n % PEERS).unwrap_or(0);
        let conn = client.open_from(peer)?;
        conn.unblock()?;
        Ok(conn)
    });
    let conns: std::io::Result<Vec<_>> = conns.collect();
    let mut conns = conns.map_err(|e| format!("a connection: {e}"))?;
    let (over, bytes) = (AtomicBool::new(false), frame(FRAME));
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&mut conns, &bytes, &over));
        let watch = || {
            let (started, mut most) = (Instant::now(), 0_f64);
            while started.elapsed() < FLOOD {
                most = most.max(gateway.scrape()?.value("memory_held_bytes"));
                thread::sleep(EVERY);
            }
            Ok(most)
        };
        let watched = watch();
        over.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| "the flood panicked")?;
        watched
    })
}
