//! A peer that sends frames over the ceiling.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::Drill;
use crate::alerts;
use crate::case::{ensure, Case, Outcome};
use ron_lab::client::{connect, connect_from, frame, tls, tls_config};
use ron_lab::Lab;

/// Frames over the ceiling, more than five a minute.
const TOO_LARGE: u32 = 40;
/// The largest allowed frame.
const CEILING: usize = 1 << 20;
/// Handshakes of honest peers before and during the fault.
const HONEST: u32 = 40;
const OFFENDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub(super) const TOO_LARGE_FRAMES: Drill = Drill {
    name: "too-large",
    fault: "a peer sends frames over limits.max_frame_bytes",
    expected:
        "rejected_total{reason=\"too_large\"} over 5 a minute, which is an alert; handshake p95 stays",
    cure: "the producer caps its frames; the ceiling stays",
    quick: true,
    run: too_large,
};

fn too_large(lab: &Lab, case: &mut Case) -> Outcome {
    let gateway = lab.tls().args(["--echo-frames"]).spawn()?;
    let config = tls_config(lab)?;
    let honest = || {
        for _ in 0..HONEST {
            honest(&config, gateway.addr)?;
        }
        Ok::<_, String>(())
    };
    let start = gateway.scrape()?;
    honest()?;
    let quiet = gateway.scrape()?.since(&start);
    ensure(!alerts::too_large(&quiet), || {
        "the alert fires before the fault".into()
    })?;
    gateway.admin.ready_while(|| {
        let before = gateway.scrape()?;
        case.fault();
        for _ in 0..TOO_LARGE {
            offend(&config, gateway.addr)?;
        }
        let now = gateway.until("the rejects", |now| {
            now.since(&before).rejected("too_large") >= f64::from(TOO_LARGE)
        })?;
        let count = now.since(&before).rejected("too_large");
        ensure(alerts::too_large(&now.since(&before)), || "no alert".into())?;
        let why = gateway.logs_reject("too_large", "")?;
        case.signal(format!(
            "too_large {count:.0} at once, the alert fires, \"{why}\""
        ));
        honest()?;
        let during = gateway.scrape()?.since(&before);
        ensure(during.rejects() < f64::from(TOO_LARGE) + 0.5, || {
            "honest peers were rejected too".into()
        })?;
        let (quiet, during) = (quiet.p95("tls"), during.p95("tls"));
        let (quiet, during) = quiet.zip(during).ok_or("no handshakes were recorded")?;
        let line = format!("handshake p95 in the bucket to {quiet} s before, {during} s during");
        case.gate(during <= quiet.max(0.08), line)
    })?;
    case.cure();
    let before = gateway.scrape()?;
    // The producer sends frames at the ceiling now.
    let conn = connect_from(OFFENDER, gateway.addr).map_err(|e| e.to_string())?;
    let mut conn = tls(&config, conn).map_err(|e| e.to_string())?;
    ron_lab::client::echo(&mut conn, &frame(CEILING)).map_err(|e| format!("1 MiB: {e}"))?;
    let after = gateway.scrape()?.since(&before);
    ensure(after.rejects() < 0.5, || "rejects continue".into())?;
    case.recovered("frames of 1 MiB are echoed, no further reject");
    drop(conn);
    gateway.stop()?;
    Ok(())
}

/// Completes a handshake and the echo of a frame.
fn honest(config: &Arc<ClientConfig>, to: SocketAddr) -> Result<(), String> {
    let conn = connect(to).and_then(|conn| tls(config, conn));
    let sent = conn.and_then(|mut conn| ron_lab::client::echo(&mut conn, &frame(1024)));
    sent.map_err(|e| format!("an honest peer: {e}"))
}

/// Sends an oversize frame; the gateway must cut the connection.
///
/// No echo may arrive.
fn offend(config: &Arc<ClientConfig>, to: SocketAddr) -> Result<(), String> {
    let conn = connect_from(OFFENDER, to).and_then(|conn| tls(config, conn));
    let mut conn = conn.map_err(|e| format!("the faulty peer: {e}"))?;
    // The gateway cuts the connection inside the frame.
    let _ = conn
        .write_all(&frame(CEILING + 1))
        .and_then(|()| conn.flush());
    match conn.read(&mut [0; 1]) {
        Ok(read) if read > 0 => Err("a frame over the ceiling was echoed".into()),
        _ => Ok(()),
    }
}
