//! A network with delay or packet loss, between two network namespaces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;

use super::Drill;
use crate::alerts;
use crate::case::{ensure, Case, Outcome};
use crate::relay::Relay;
use ron_lab::client::{connect, ping, tls, tls_config};
use ron_lab::netns::{Netns, LINK};
use ron_lab::Lab;

/// Concurrent clients.
const CLIENTS: usize = 10;
/// The handshake targets within a zone and across regions, in seconds.
const NEAR: f64 = 0.08;
const FAR: f64 = 0.2;

pub(super) const LATENCY: Drill = Drill {
    name: "latency",
    fault: "100, 200 and 300 ms more for a round trip",
    expected: "handshake p95 rises by as much: under 80 ms without, under 200 ms + the added round trip with it; rejects under 1 %",
    cure: "the network recovers",
    quick: true,
    run: latency,
};

fn latency(lab: &Lab, case: &mut Case) -> Outcome {
    let (ours, theirs) = Netns::pair()?;
    let here = SocketAddr::from((Netns::address(1), 0));
    let gateway = lab.tls().bind(here).within(&ours.name).spawn()?;
    let config = tls_config(lab)?;
    let relay = theirs.within(|| Relay::to(gateway.addr))??;
    gateway.admin.ready_while(|| {
        for (step, added) in [0, 100, 200, 300, 0].into_iter().enumerate() {
            relay.set_round_trip(added);
            if step == 1 {
                case.fault();
            } else if step == 4 {
                case.cure();
            }
            let before = gateway.scrape()?;
            let cut = theirs.within(|| handshakes(&config, relay.addr, 4))??;
            let rise = gateway.scrape()?.since(&before);
            let p95 = rise.p95("tls").ok_or("no handshakes")?;
            let share = alerts::reject_share(&rise);
            ensure(cut == 0 && share < alerts::SHARE, || {
                format!("{cut} clients were cut, {share} rejected, with {added} ms")
            })?;
            let delay = Duration::from_millis(added).as_secs_f64();
            ensure(p95 >= delay, || format!("p95 of {p95} s with {added} ms"))?;
            let line = format!("+{added} ms: p95 in the bucket to {p95} s, {cut} rejects");
            match step {
                1 => case.signal(line),
                4 => case.recovered(line),
                _ => case.note(line),
            }
            let target = if added == 0 { NEAR } else { FAR + delay };
            case.gate(p95 <= target, format!("target {target:.2} s"))?;
        }
        Ok(())
    })?;
    drop(relay);
    gateway.stop()?;
    Ok(())
}

/// Handshakes of each client for each loss rate.
const HANDSHAKES: usize = 80;
/// A deadline below the first retransmission (200 ms), and one above.
const TIGHT: &str = "[transport]\nhandshake_timeout = '150ms'\n";
const LOOSE: &str = "[transport]\nhandshake_timeout = '10s'\n";

pub(super) const LOSS: Drill = Drill {
    name: "loss",
    fault: "1, 3 and 5 % of packets lost on arrival, handshake_timeout too tight for a retransmission",
    expected: "rejected_total{reason=\"timeout\"} grows in step, the alert fires if and only if over 1 % are cut; no panic",
    cure: "a moderate deadline by reload: no timeouts at 5 % either, and the alert is silent",
    quick: true,
    run: loss,
};

fn loss(lab: &Lab, case: &mut Case) -> Outcome {
    let (ours, theirs) = Netns::pair()?;
    let here = SocketAddr::from((Netns::address(1), 0));
    let start = lab.tls().bind(here).within(&ours.name);
    let gateway = start.config(&lab.write("gateway.toml", TIGHT)?).spawn()?;
    let config = tls_config(lab)?;
    let many = if case.mode.gates {
        HANDSHAKES
    } else {
        HANDSHAKES / 16
    };
    let (mut last, mut steps) = (-1.0, Vec::new());
    let mut run = |percent: u32, tight: bool, case: &mut Case| -> Outcome {
        for end in [&ours, &theirs] {
            lose(lab, end, percent)?;
        }
        let before = gateway.scrape()?;
        let cut = theirs.within(|| handshakes(&config, gateway.addr, many))??;
        let rise = gateway.scrape()?.since(&before);
        let (timeouts, share) = (rise.rejected("timeout"), alerts::share(&rise, "timeout"));
        steps.push(format!(
            "{percent} %: {timeouts:.0} timeouts, {:.1} %",
            share * 100.0
        ));
        // Failures seen by clients, beside the counted ones.
        #[allow(clippy::cast_precision_loss)]
        let seen = cut as f64 / (many * CLIENTS) as f64 > alerts::SHARE;
        let fires = alerts::too_many(&rise, "timeout");
        let in_step = if tight {
            timeouts > last
        } else {
            timeouts < 0.5
        };
        last = timeouts;
        case.gate(
            fires == seen && in_step && (fires || !tight || percent < 5),
            format!(
                "{}, {cut} clients cut, alert {}",
                steps.last().map_or("", String::as_str),
                if fires { "fires" } else { "silent" }
            ),
        )
    };
    run(0, true, case)?;
    case.fault();
    for percent in [1, 3, 5] {
        run(percent, true, case)?;
    }
    case.signal("timeouts grow with the loss");
    gateway.is_ready()?;
    case.cure();
    lab.write("gateway.toml", LOOSE)?;
    gateway.reload("ok")?;
    run(5, false, case)?;
    case.recovered("with handshake_timeout = 10s none is cut");
    // Fails if anything was written to stderr, such as a panic.
    gateway.stop()?;
    Ok(())
}

/// Drops this share of packets that arrive over the link.
fn lose(lab: &Lab, at: &Netns, percent: u32) -> Outcome {
    let rule = match percent {
        0 => String::new(),
        some => format!("iifname {LINK} meta l4proto tcp numgen random mod 100 < {some} drop"),
    };
    let rules = format!(
        "table inet drill {{}}\ndelete table inet drill\ntable inet drill {{\nchain arrive {{\n\
         type filter hook input priority 0;\n{rule}\n}}\n}}\n"
    );
    let file = lab.write("loss.nft", &rules)?;
    Ok(at.exec(&["nft", "-f", &file])?)
}

/// Completes handshakes in parallel; returns the number of cut clients.
fn handshakes(config: &Arc<ClientConfig>, to: SocketAddr, each: usize) -> Result<usize, String> {
    let one = || {
        let shakes = (0..each).filter(|_| {
            let conn = connect(to).and_then(|conn| tls(config, conn));
            conn.and_then(|mut conn| ping(&mut conn, 1024)).is_err()
        });
        shakes.count()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
        let cut = clients.into_iter().map(thread::ScopedJoinHandle::join);
        let cut: Result<Vec<usize>, _> = cut.collect();
        Ok(cut.map_err(|_| "a client panicked")?.into_iter().sum())
    })
}
