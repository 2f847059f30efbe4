//! Prints the tables of the manual.
//!
//! `cargo run -q -p ron-transport --example schema -- config` prints the configuration keys,
//! `-- presets` the presets, `-- metrics` the metrics.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("config") => print!("{}", ron_transport::config::markdown()),
        Some("presets") => print!("{}", ron_transport::config::presets_markdown()),
        Some("metrics") => print!("{}", transport_metrics::markdown()),
        _ => {
            eprintln!("usage: schema config|presets|metrics");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
