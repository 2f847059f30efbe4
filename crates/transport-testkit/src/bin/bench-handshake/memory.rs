//! Memory for each idle connection in echo mode: the slope of a server's resident memory between
//! two numbers of connections that have shaken hands and exchanged 64 bytes, and what an exchange
//! of 64 KiB on each leaves behind. Server and clients are other processes.

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
    let mut seen = kinds.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for ((_, start), seen) in kinds.iter().zip(&mut seen) {
            let (idle, after) = measure(&start());
            seen.0.push(idle);
            seen.1.push(after);
        }
    }
    for ((name, _), (idle, after)) in kinds.iter().zip(&seen) {
        println!(
            "  {name:<18} {:6.2} KiB, {:+.2} KiB after 64 KiB there and back   (all rounds: {idle:.2?}, {after:+.2?})",
            median(idle),
            median(after),
        );
    }
}

/// KiB for each connection, and what is added once each has carried more.
fn measure(server: &Proxy) -> (f64, f64) {
    let mut load = Load::start();
    let mut hold = |count: u32| {
        load.order(&format!("hold {} {count}", server.addr));
        resident(server.pid())
    };
    let (first, second) = (hold(FIRST), hold(SECOND));
    load.order(&format!("exchange {EXCHANGE_BYTES}"));
    let after = resident(server.pid());
    (
        (second - first) / f64::from(SECOND - FIRST),
        (after - second) / f64::from(SECOND),
    )
}

/// KiB of resident memory, once the last task waits for its next byte.
fn resident(pid: u32) -> f64 {
    std::thread::sleep(Duration::from_millis(200));
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse().unwrap()
}
