//! The server with counted allocations, in a process of its own.
//!
//! It runs the library with the preset, and the gateway's handler and metrics.

use std::alloc::System;
use std::io::{self, BufRead, Write};
use std::thread;

use ron_transport::config::{Config, Loader};
use ron_transport::metrics::Prometheus;
use ron_transport::{echo, Transport};
use stats_alloc::StatsAlloc;

/// Serves with this configuration until its input ends.
///
/// Each input line is answered with the allocations so far and their bytes.
pub(crate) fn run(config: &str, allocator: &'static StatsAlloc<System>) -> Result<(), String> {
    let loaded = Loader::default().toml_str(config, "configuration").load();
    let config = loaded.map_err(|e| e.to_string())?.into_settings();
    thread::spawn(move || {
        if let Err(why) = serve(config) {
            eprintln!("{why}");
            std::process::exit(1);
        }
    });
    for line in io::stdin().lock().lines() {
        line.map_err(|e| e.to_string())?;
        let stats = allocator.stats();
        let count = stats.allocations + stats.reallocations;
        println!("allocations {count} {}", stats.bytes_allocated);
        io::stdout().flush().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn serve(config: Config) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let prometheus = Prometheus::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let builder = Transport::builder().config(config);
        let transport = builder.recorder(prometheus.recorder()).build();
        let transport = transport.map_err(|e| e.to_string())?;
        let addr = transport.listen().await.map_err(|e| e.to_string())?;
        println!("listen {}", addr.socket_addr().ok_or("no address")?);
        let served = transport.serve(echo);
        served.await.map_err(|e| e.to_string())
    })
}
