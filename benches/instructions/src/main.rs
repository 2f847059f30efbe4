//! Fixed loads for `cargo xtask instructions`, which counts their instructions under valgrind.
//!
//! `ron-bench-instructions LOAD OPERATIONS` runs one load. Only `poll_measured` is counted: the polls
//! of the measured side, after a warm-up of as many operations.
// A bench may panic.
#![allow(clippy::unwrap_used)]

mod accept;
mod handshake;
mod measure;
mod relay;
mod setup;

use transport_tls::PqMode;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [load, operations] = &args[..] else {
        eprintln!("usage: ron-bench-instructions LOAD OPERATIONS");
        std::process::exit(2);
    };
    let operations: usize = operations.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match &**load {
            "tls-full" => handshake::run(operations, false, PqMode::Off).await,
            "tls-resumed" => handshake::run(operations, true, PqMode::Off).await,
            "tls-full-pq" => handshake::run(operations, false, PqMode::Hybrid).await,
            "tls-resumed-pq" => handshake::run(operations, true, PqMode::Hybrid).await,
            "tcp-accept" => accept::run(operations).await,
            "tls-ping" => relay::tls_messages(operations).await,
            "relay-64b" => relay::messages(operations).await,
            "relay-1mib" => relay::bulk(operations).await,
            other => panic!("unknown load {other:?}"),
        }
    });
}
