//! Memory per idle connection in echo mode.
//!
//! That is the slope of resident memory between two numbers of connections, each after a handshake
//! and an exchange of 64 bytes. Then the memory that remains after an exchange of 64 KiB on each.
//! Server and clients are separate processes.

use std::fs;
use std::time::Duration;

use crate::load_process::Load;
use crate::pki::Pki;
use crate::proxy::Proxy;
use crate::stats::median;

const FIRST: u32 = 1_000;
const SECOND: u32 = 4_000;
const EXCHANGE_BYTES: usize = 64 << 10;

pub(crate) fn run(rounds: usize) {
    let pki = Pki::new();
    println!("resident memory for each idle TLS connection, from {FIRST} to {SECOND}; {rounds} rounds, each in new processes");
    let kinds: [(&str, &dyn Fn() -> Proxy); 3] = [
        ("bare tokio-rustls", &|| Proxy::idle(&pki, "bare")),
        ("facade, echo", &|| Proxy::idle(&pki, "facade")),
        ("gateway, echo", &|| {
            Proxy::gateway(
                &pki,
                &[("gateway.mode", "echo"), ("gateway.log.level", "warn")],
            )
        }),
    ];
    let mut seen = kinds.map(|_| [Vec::new(), Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        for ((_, start), seen) in kinds.iter().zip(&mut seen) {
            for (seen, now) in seen.iter_mut().zip(measure(&start())) {
                seen.push(now);
            }
        }
    }
    for ((name, _), [idle, once, twice]) in kinds.iter().zip(&seen) {
        println!(
            "  {name:<18} {:6.2} KiB, {:+.2} KiB after a 64 KiB echo, {:+.2} KiB after another one   (all rounds: {idle:.2?}, {once:+.2?}, {twice:+.2?})",
            median(idle),
            median(once),
            median(twice),
        );
    }
}

/// Returns KiB per connection, and the growth by two larger exchanges.
fn measure(server: &Proxy) -> [f64; 3] {
    let mut load = Load::start();
    let mut after = |order: &str| {
        load.order(order);
        resident(server.pid())
    };
    let first = after(&format!("hold {} {FIRST}", server.addr));
    let second = after(&format!("hold {} {SECOND}", server.addr));
    let exchange = format!("exchange {EXCHANGE_BYTES}");
    let added = [after(&exchange), after(&exchange)].map(|now| (now - second) / f64::from(SECOND));
    [
        (second - first) / f64::from(SECOND - FIRST),
        added[0],
        added[1],
    ]
}

/// Returns the resident memory in KiB, at rest.
pub(crate) fn resident(pid: u32) -> f64 {
    std::thread::sleep(Duration::from_millis(200));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse().unwrap()
}
