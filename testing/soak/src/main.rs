//! The soak: long-running load on three gateways (TLS that forwards, TCP, frames).
//!
//! Good and bad connections come and go, configurations change, and certificates are rotated. The
//! resources of each process are sampled; growth in the second half of the run is a leak.
//!
//! `cargo xtask soak [--minutes N]` builds the gateway and runs this program. It draws the samples
//! below `target/soak`, and keeps them there as CSV.
// The program is not async: each wait has a thread of its own.
#![allow(clippy::disallowed_methods)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod changes;
mod evicted;
mod figures;
mod hog;
mod http;
mod load;
mod page;
mod pauses;
mod peer;
mod peers;
mod plot;
mod report;
mod sites;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use ron_lab::process::{wait_for, PATIENCE};
use ron_lab::Lab;

use args::Args;
use changes::Changes;
use figures::{Figures, Samples};
use load::Load;
use sites::{Example, Site};

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)).and_then(|args| run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::from(2)
        }
    }
}

/// Runs the soak; returns whether nothing grew and nothing failed.
fn run(args: &Args) -> Result<bool, String> {
    ron_lab::sweep();
    let lab = Lab::new(&args.gateway, None)?;
    let sites = sites::start(&lab, args.leak.is_some())?;
    let examples = Example::start_all(&args.examples)?;
    let before = sites.iter().map(|site| Figures::of(&site.gateway));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    let (load, changes) = (Load::new(&lab, args)?, Changes::default());
    let mut samples = Samples::of(
        sites
            .iter()
            .map(|site| site.name)
            .chain(examples.iter().map(|one| one.name)),
    );
    let sampled = thread::scope(|scope| {
        peers::start(&load, scope, &sites, &examples);
        let changing = scope.spawn(|| changes.run(&lab, &sites, &load));
        let sampled = sample(args.duration, &sites, &examples, &load, &mut samples);
        load.end();
        let changed = changing
            .join()
            .map_err(|_| "the thread of changes panicked")?;
        sampled.and(changed)
    });
    let mut wrong: Vec<String> = sampled.err().into_iter().chain(load.wrong()).collect();
    for (site, before) in sites.iter().zip(before) {
        wrong.extend(is_back(site, &before).err());
    }
    let mut counts = String::new();
    for site in sites {
        let name = site.name;
        // A gateway that has ended is reported below.
        counts += &report::counts(name, &site.gateway.scrape().unwrap_or_default());
        let stopped = site.gateway.stop();
        wrong.extend(stopped.err().map(|why| format!("{name}: {why}")));
    }
    for example in examples {
        let name = example.name;
        let stopped = example.stop();
        wrong.extend(stopped.err().map(|why| format!("{name}: {why}")));
    }
    std::fs::create_dir_all(&args.out)
        .map_err(|e| format!("cannot create {}: {e}", args.out.display()))?;
    let picture = args.out.join("soak.svg");
    for (path, text) in [
        (&picture, plot::svg(&samples)),
        (&args.out.join("soak.csv"), samples.csv()),
    ] {
        let written = std::fs::write(path, text);
        written.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    let version = ron_lab::version(&args.gateway)?;
    let head = format!(
        "soak of {version}, {:.1} minutes\n{}; {}",
        samples.minutes(),
        load.summary(),
        changes.summary()
    );
    println!("{head}");
    let is_flat = report::print(&samples);
    print!("{counts}");
    for why in &wrong {
        println!("FAILURE: {why}");
    }
    println!("picture: {}; the samples are beside it", picture.display());
    let is_good = is_flat && wrong.is_empty();
    if let Some(dir) = &args.page {
        page::write(dir, &samples, &head, &wrong)?;
    }
    println!("{}", if is_good { "passed" } else { "FAILED" });
    Ok(is_good)
}

/// Samples every process until the end of the run or a failure.
fn sample(
    duration: Duration,
    sites: &[Site],
    examples: &[Example],
    load: &Load,
    samples: &mut Samples,
) -> Result<(), String> {
    let (started, every) = (Instant::now(), figures::every(duration));
    let mut next = Duration::ZERO;
    while next < duration && load.goes_well() {
        let begun = Instant::now();
        let gateways = sites
            .iter()
            .map(|site| (site.name, Figures::of(&site.gateway)));
        let others = examples
            .iter()
            .map(|one| (one.name, Figures::of_process(one.id())));
        let taken = gateways.chain(others).map(|(name, figures)| {
            let figures = figures.map_err(|e| format!("{name}: {e}"))?;
            Ok((name, figures))
        });
        match taken.collect::<Result<Vec<_>, String>>() {
            Ok(taken) => {
                samples.at(started.elapsed());
                taken
                    .into_iter()
                    .for_each(|(name, figures)| samples.push(name, figures));
            }
            // The next sample follows.
            Err(_) if load.pauses.overlap(begun) => {}
            Err(why) => return Err(why),
        }
        // After a pause, the samples of the gap are not made up for.
        next = (next + every).max(started.elapsed());
        thread::sleep(next.saturating_sub(started.elapsed()));
    }
    Ok(())
}

/// Fails unless an idle gateway has released its resources.
fn is_back(site: &Site, before: &Figures) -> Result<(), String> {
    let back = wait_for(
        "the release of connections, descriptors and tasks",
        PATIENCE,
        || {
            let now = Figures::of(&site.gateway)?;
            let is_back = now.connections() < 0.5
                && now.descriptors() <= before.descriptors()
                && now.tasks() <= before.tasks();
            Ok(is_back.then_some(()))
        },
    );
    back.map_err(|why| format!("{} after the load: {why}", site.name))
}
