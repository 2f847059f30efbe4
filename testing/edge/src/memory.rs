//! Memory under full load, within the limit.

use std::thread;
use std::time::{Duration, Instant};

use ron_lab::trend::trend;
use ron_lab::{Gateway, Lab};

use crate::args::Args;
use crate::client::{Client, Kind};
use crate::limit::Limit;
use crate::load::{during, CONNS};
use crate::Seen;

const EVERY: Duration = Duration::from_millis(250);
/// The allowed rise in the second half, in MiB.
///
/// The allocator takes memory in pages of 64 KiB and more, and returns it late.
const GROWTH: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn measure(lab: &Lab, kind: Kind, args: &Args) -> Seen {
    let limit = Limit::new(args.mib << 20, args.limit)?;
    let words = limit.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let gateway = kind.start(lab, lab.gateway()).before(&words).spawn()?;
    let client = Client::new(lab, kind, gateway.addr)?;
    let idle = gateway.status("VmRSS:")?;
    let (samples, exchanges) = during(&client, || sample(&gateway, args.duration))?;
    let (peak, trend) = (gateway.status("VmHWM:")?, trend(&samples));
    let trend = trend.ok_or("too few samples")?;
    gateway.stop()?;
    let charged = limit.charged()?;
    let most = limit.bytes as f64;
    let is_good = peak * 1024.0 < most
        && trend.rise <= GROWTH
        && charged.map_or(true, |(_, kills)| kills == 0);
    let charge = charged.map_or("not counted".to_owned(), |(bytes, kills)| {
        format!("{:.1} MiB at most, {kills} kills", bytes as f64 / MIB)
    });
    let text = format!(
        "{CONNS} connections, {exchanges} echoes of 64 KiB within {:.0} MiB by {}: resident \
         {:.1} MiB idle, {:.1} at the peak, {:+.2} in the second half (allowed {GROWTH}); charged: {charge}",
        most / MIB,
        limit.means.name(),
        idle / 1024.0,
        peak / 1024.0,
        trend.rise,
    );
    Ok((is_good, text))
}

/// Samples resident memory in MiB during the load.
fn sample(gateway: &Gateway, duration: Duration) -> Result<Vec<f64>, String> {
    let full = gateway.until("all connections", |now| now.inflight() >= CONNS as f64)?;
    if full.rejects() > 0.5 {
        return Err("connections were refused".into());
    }
    let (started, mut samples) = (Instant::now(), Vec::new());
    while started.elapsed() < duration {
        samples.push(gateway.status("VmRSS:")? / 1024.0);
        thread::sleep(EVERY);
    }
    Ok(samples)
}
