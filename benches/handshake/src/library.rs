//! CPU of the serving thread per handshake: bare tokio-rustls, guarded, facade.
//!
//! All use one rustls configuration, with every limit on. A connection is accepted, completes its
//! handshake, echoes 64 bytes and closes in order.

use crate::clock;
use crate::load_process::Load;
use crate::pki::Pki;
use crate::servers::{Kind, Server};
use crate::stats::Table;

const CONNECTIONS: u32 = 200;

pub(crate) fn run(rounds: usize) {
    let pki = Pki::new();
    let config = pki.server();
    let servers = Kind::ALL.map(|kind| Server::start(kind, &config));
    let names = Kind::ALL.map(Kind::name);
    let mut load = Load::start();
    for what in ["full", "resumed"] {
        let table = Table::measure(
            &names,
            rounds,
            |which| clock::of_thread(servers[which].tid),
            |which| {
                let addr = servers[which].addr;
                let resumed = load.order(&format!("{what} {addr} {CONNECTIONS}"));
                assert_eq!(resumed > 150, what == "resumed");
            },
        );
        let title = format!("CPU for each {what} TLS handshake with a small exchange and a close");
        table.print(&title, "us", 1e6 / f64::from(CONNECTIONS), &[0]);
    }
}
