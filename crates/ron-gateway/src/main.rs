//! The reference service of ron-transport: a layer-4 gateway that echoes or forwards what its
//! transport accepts, with an admin listener for metrics and health.
//!
//! Exit codes: 0 after a clean drain, 1 when it failed while running (an address in use, a dial
//! that found nobody, a drain cut short by a second signal), 2 when configuration or command line
//! are wrong.

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
mod logging;
mod pressure;
mod process;
mod progress;
mod runtime;
mod sandbox;
mod service;
mod settings;
mod startup;
mod systemd;
mod term;

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
