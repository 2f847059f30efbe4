//! The reference service of ron-transport: a layer-4 gateway.
//!
//! It echoes or forwards accepted connections and has an admin endpoint for metrics and health.
//!
//! Exit codes: 0 after a clean drain, 1 after a failure at run time (address in use, dial failed,
//! drain interrupted by a second signal), 2 for an error in the configuration or the command line.

mod admin;
mod cgroup;
mod check;
mod cli;
mod conflicts;
#[cfg(feature = "tls")]
mod dev_tls;
mod dial;
mod effective;
mod exit;
mod listener;
mod logging;
mod manual;
mod pressure;
mod process;
mod progress;
mod runtime;
mod runtime_thread;
mod sandbox;
mod service;
mod settings;
mod startup;
mod systemd;
mod term;
mod upstream;

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args_os()) {
        Ok(command) => command.run(),
        Err(error) => Err(error.into()),
    };
    exit::report(outcome)
}
