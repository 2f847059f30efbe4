//! The operator's view with real tools: Prometheus alerts and the status page.
//!
//! Prometheus scrapes the built gateway under faults, and a browser shows the page.
//!
//! `cargo xtask alerts --live` and `cargo xtask page` install the tools and run this program.
// Each wait has a thread of its own.
#![allow(clippy::disallowed_methods)]

mod alerts;
mod browser;
mod http;
mod load;
mod page;

use std::process::ExitCode;
use std::time::Duration;

/// The longest wait for anything: Prometheus scrapes once a second.
const PATIENCE: Duration = Duration::from_secs(60);

const USAGE: &str =
    "usage: ron-ops alerts GATEWAY PROMETHEUS RULES DASHBOARD | ron-ops page GATEWAY DIRECTORY";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["alerts", gateway, prometheus, rules, dashboard] => {
            alerts::run(gateway, prometheus, rules, dashboard)
        }
        ["page", gateway, pictures] => page::run(gateway, pictures),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ron-ops: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Polls until `look` returns a value.
fn wait_for<T>(what: &str, look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    ron_lab::process::wait_for(what, PATIENCE, look)
}
