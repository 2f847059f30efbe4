//! The preset for small devices, within 64 MiB of memory.
//!
//! The built gateway runs under full load and memory limit; the system calls and allocations of a
//! 64 KiB echo are counted; and a build for aarch64 runs under emulation.
//!
//! `cargo xtask edge` builds the programs and runs this one.
// Only the server with counted allocations is async.
#![allow(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod allocations;
mod args;
mod client;
mod flood;
mod foreign;
mod limit;
mod load;
mod memory;
mod serve;
mod syscalls;

use std::alloc::System;
use std::process::ExitCode;

use ron_lab::Lab;
use stats_alloc::{StatsAlloc, INSTRUMENTED_SYSTEM};

use args::{Args, What};
use client::Kind;
use flood::Flood;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The result of a part: its verdict, and a line.
pub(crate) type Seen = Result<(bool, String), String>;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args().skip(1)) {
        Ok(What::Run(args)) => run(&args),
        Ok(What::Serve(config)) => serve::run(&config, ALLOCATOR).map(|()| true),
        Err(why) => Err(why),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("edge: {why}");
            ExitCode::from(2)
        }
    }
}

/// Runs all parts; returns whether all of them passed.
fn run(args: &Args) -> Result<bool, String> {
    ron_lab::sweep();
    let lab = Lab::new(&args.gateway, None)?;
    let version = ron_lab::version(&args.gateway)?;
    println!("{version} with preset = \"edge\"");
    let mut is_good = true;
    for kind in Kind::ALL {
        let name = kind.name();
        let parts: [(&str, &dyn Fn() -> Seen); 4] = [
            ("memory", &|| memory::measure(&lab, kind, args)),
            ("flood", &|| flood::measure(&lab, Flood::Echo(kind), args)),
            ("system calls", &|| syscalls::measure(&lab, kind)),
            ("allocations", &|| allocations::measure(&lab, kind)),
        ];
        for (what, measure) in parts {
            is_good &= tell(name, what, measure());
        }
    }
    is_good &= tell("frame", "flood", flood::measure(&lab, Flood::Frames, args));
    is_good &= tell("relay", "flood", flood::measure(&lab, Flood::Relay, args));
    match &args.foreign {
        Ok(program) => is_good &= tell("both", "aarch64", foreign::try_out(&lab, program)),
        Err(why) => println!("{:<6}{:<14}NOT RUN: {why}", "both", "aarch64"),
    }
    println!("{}", if is_good { "passed" } else { "FAILED" });
    Ok(is_good)
}

fn tell(kind: &str, what: &str, seen: Seen) -> bool {
    let (is_good, text) = seen.unwrap_or_else(|why| (false, why));
    let verdict = if is_good { "" } else { "FAILED: " };
    println!("{kind:<6}{what:<14}{verdict}{text}");
    is_good
}
