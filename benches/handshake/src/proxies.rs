//! CPU of each proxy's process tree, per connection and per GiB.
//!
//! A connection is a full handshake, an echo of 64 bytes and an end in order; a GiB is carried
//! through one established connection.

use crate::clock;
use crate::load_process::Load;
use crate::pki::Pki;
use crate::proxy::Proxy;
use crate::stats::Table;
use crate::upstream;

const CONNECTIONS: u32 = 400;
const BULK_MIB: u32 = 256;

const NAMES: [&str; 4] = ["nginx", "HAProxy", "gateway", "gateway, one log line each"];
const OTHERS: [usize; 2] = [0, 1];

pub(crate) fn run(rounds: usize) {
    let (pki, upstream) = (Pki::new(), upstream::start());
    let to = format!("tcp://{upstream}");
    // The other proxies log no connections; the gateway does by default.
    let forward = [("gateway.mode", "forward"), ("gateway.forward_to", &*to)];
    let quiet = [&forward[..], &[("gateway.log.level", "warn")]].concat();
    let proxies = [
        Proxy::nginx(&pki, upstream, false),
        Proxy::haproxy(&pki, upstream, false),
        Proxy::gateway(&pki, &quiet),
        Proxy::gateway(&pki, &forward),
    ];
    let mut load = Load::start();
    let cpu = |which: usize| clock::of_tree(proxies[which].pid());
    let table = Table::measure(&NAMES, rounds, cpu, |which| {
        let addr = proxies[which].addr;
        load.order(&format!("full {addr} {CONNECTIONS}"));
    });
    let title = "CPU for each proxied connection: X25519, ECDSA P-256, 64 B echo";
    table.print(title, "us", 1e6 / f64::from(CONNECTIONS), &OTHERS);

    let rounds = rounds.div_ceil(2);
    let table = Table::measure(&NAMES[..3], rounds, cpu, |which| {
        load.order(&format!("hold {} 1", proxies[which].addr));
        load.order(&format!("bulk {}", BULK_MIB << 20));
    });
    let title = format!("CPU for each GiB carried: {BULK_MIB} MiB in both directions at once");
    table.print(&title, "s", 1024.0 / f64::from(2 * BULK_MIB), &OTHERS);
}
