//! The operator's drills, against the built gateway.
//!
//! Each drill starts gateways, causes one fault, waits for the expected signal in metrics, log and
//! readiness, applies the cure, and writes one row.
//!
//! `cargo xtask drill [NAME…|--all|--list] [--json]` installs the needed programs and runs this
//! one.
// The program is not async: each wait has a thread of its own.
#![allow(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alerts;
mod args;
mod case;
mod date;
mod drills;
mod late;
mod page;
mod relay;
mod table;

use std::process::ExitCode;

use args::{Args, What};
use case::{Case, Mode};
use drills::Drill;
use ron_lab::{Lab, Stop};
use table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("drills: {why}");
            ExitCode::from(2)
        }
    }
}

/// Runs the chosen drills; returns whether all of them passed.
fn run() -> Result<bool, String> {
    let args = args::parse(std::env::args().skip(1))?;
    let chosen = args.chosen()?;
    if args.what == What::List {
        for drill in chosen {
            println!("{:<20}{}", drill.name, drill.fault);
        }
        return Ok(true);
    }
    if let Some(page) = &args.page {
        page::warn_if_overdue(page);
    }
    ron_lab::sweep();
    let mut table = Table::default();
    for drill in chosen {
        table.push(drill, conduct(drill, &args));
    }
    if args.json {
        println!("{}", table.json());
    } else {
        print!("{}", table.text());
    }
    if let (What::All, Some(page)) = (&args.what, &args.page) {
        page::write(page, &table, &ron_lab::version(&args.gateway)?)?;
    }
    Ok(table.is_good())
}

/// Runs one drill in its own lab.
fn conduct(drill: &Drill, args: &Args) -> Case {
    let mode = Mode {
        gates: args.what != What::Quick,
        watch: args.watch,
    };
    let mut case = Case::new(mode);
    let lab = Lab::new(&args.gateway, args.previous.as_deref()).map_err(Stop::from);
    let outcome = lab.and_then(|lab| {
        case.dir = lab.file("");
        let run = std::panic::AssertUnwindSafe(|| (drill.run)(&lab, &mut case));
        std::panic::catch_unwind(run).unwrap_or_else(|_| Err("the drill panicked".into()))
    });
    case.end(outcome);
    case
}
