//! `cargo xtask`: each check of this workspace as a subcommand.
//!
//! `cargo xtask` alone lists the steps; `cargo xtask ci` runs those that gate a merge. Each module is
//! one step; the steps share `cmd`, `meta`, `apt` and `tools`.

mod advisories;
mod alerts;
mod alone;
mod api;
mod apt;
mod auditable;
mod balancers;
mod bench;
mod ci;
mod clippy;
mod cmd;
mod coverage;
mod deb;
mod deny;
mod doc;
mod docs_gen;
mod doctest;
mod drills;
mod edge;
mod fmt;
mod fuzz;
mod graph;
mod image;
mod instructions;
mod kubernetes;
mod loom;
mod meta;
mod msrv;
mod mutants;
mod package;
mod page;
mod peers;
mod readme;
mod sbom;
mod semver;
mod sim;
mod soak;
mod steps;
mod test;
mod tidy;
mod tools;
mod tornet;

use std::process::ExitCode;

/// The step that runs the others; it reads their table.
const CI: steps::Step = steps::Step {
    name: "ci",
    help: ci::HELP,
    run: ci::run,
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        print!("{}", steps::help(&CI));
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", steps::help(&CI));
        return ExitCode::SUCCESS;
    }
    let step = Some(&CI).filter(|ci| ci.name == name);
    let Some(step) = step.or_else(|| steps::find(name)) else {
        eprintln!("xtask: unknown step {name:?}\n\n{}", steps::help(&CI));
        return ExitCode::from(2);
    };
    if matches!(rest, [flag] if flag == "--help" || flag == "-h") {
        println!("cargo xtask {}: {}", step.name, step.help);
        return ExitCode::SUCCESS;
    }
    let outcome = cmd::Cx::new().and_then(|cx| (step.run)(&cx, rest));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}
