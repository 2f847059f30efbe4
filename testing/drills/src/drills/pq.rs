//! A canary for the post-quantum key exchange.

use super::Drill;
use crate::case::{ensure, Case, Outcome};
use ron_lab::Gateway;
use ron_lab::Lab;
use ron_lab::Start;

/// Connections to each of the two gateways, alternating.
const TURNS: u32 = 10;

pub(super) const CANARY: Drill = Drill {
    name: "pq-canary",
    fault: "pq.mode goes from off to hybrid on one of two gateways behind one client",
    expected: "tls_handshakes_total{kx=\"x25519mlkem768\"} grows there alone, no failed handshake on either",
    cure: "back to off, by a restart",
    quick: true,
    run: canary,
};

fn canary(lab: &Lab, case: &mut Case) -> Outcome {
    let with = |mode: &str| lab.tls().args(["--transport.pq.mode", mode]);
    let client = lab
        .gateway()
        .args(["--transport.pq.mode", "hybrid"])
        .args(lab.trust());
    let (stable, off) = (with("off").spawn()?, with("off").spawn()?);
    let addr = off.addr;
    turns(&client, [&stable, &off])?;
    counted([&stable, &off], ["x25519", "x25519"])?;
    off.stop()?;
    case.fault();
    let canary = with("hybrid").bind(addr).spawn()?;
    turns(&client, [&stable, &canary])?;
    counted([&stable, &canary], ["x25519", "x25519mlkem768"])?;
    let p95 = [&stable, &canary].map(|gateway| Ok::<_, String>(gateway.scrape()?.p95("tls")));
    let [stable_p95, canary_p95] = p95;
    let (stable_p95, canary_p95) = (
        stable_p95?.ok_or("no handshakes")?,
        canary_p95?.ok_or("no handshakes")?,
    );
    case.signal(format!(
        "x25519mlkem768 {TURNS} on the canary, only x25519 on the other"
    ));
    case.gate(
        canary_p95 <= 0.08,
        format!("handshake p95 in the bucket to {canary_p95} s, {stable_p95} s without"),
    )?;
    case.cure();
    canary.stop()?;
    let back = with("off").bind(addr).spawn()?;
    turns(&client, [&stable, &back])?;
    counted([&stable, &back], ["x25519", "x25519"])?;
    case.recovered("x25519 on both again");
    back.stop()?;
    stable.stop()?;
    Ok(())
}

/// Connects to both gateways alternately.
fn turns(client: &Start, gateways: [&Gateway; 2]) -> Outcome {
    for _ in 0..TURNS {
        for gateway in gateways {
            let target = format!("tls://localhost:{}", gateway.addr.port());
            let dialed = client.command_of(&["dial", &target])?;
            ensure(dialed.status.success(), || dialed.err.clone())?;
        }
    }
    Ok(())
}

/// Checks that each gateway has completed all handshakes with its group.
fn counted(gateways: [&Gateway; 2], groups: [&str; 2]) -> Outcome {
    for (gateway, group) in gateways.into_iter().zip(groups) {
        let ok = |kx: &str, now: &ron_lab::Scrape| {
            let labels = format!("kx=\"{kx}\",resumed=\"no\",result=\"ok\"");
            now.value(&format!("tls_handshakes_total{{{labels}}}"))
        };
        let now = gateway.scrape()?;
        let all = now.sum("tls_handshakes_total");
        ensure(
            ok(group, &now) >= f64::from(TURNS) && all <= ok(group, &now) + 0.5,
            || format!("{} by {group} of {all} handshakes", ok(group, &now)),
        )?;
    }
    Ok(())
}
