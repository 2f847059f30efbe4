//! Runs a target under libFuzzer, in the builds of `cargo xtask fuzz`.
//!
//! The variable `RON_FUZZ_TARGET` names the target, because libFuzzer owns the arguments. Other builds
//! run the files in the arguments once, to reproduce a finding under a debugger.
#![cfg_attr(ron_fuzz, no_main)]

use ron_fuzz::{find, FuzzTarget, TARGETS};

/// The variable that names the target.
const VARIABLE: &str = "RON_FUZZ_TARGET";

fn chosen() -> FuzzTarget {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    find(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!(
            "{VARIABLE}={name:?} is no fuzz target: set it to one of {}",
            names.join(", ")
        )
    })
}

#[cfg(ron_fuzz)]
mod fuzzer {
    use std::sync::OnceLock;

    use ron_fuzz::FuzzTarget;

    static TARGET: OnceLock<FuzzTarget> = OnceLock::new();

    libfuzzer_sys::fuzz_target!(
        init: { TARGET.get_or_init(super::chosen); },
        |data: &[u8]| (TARGET.get_or_init(super::chosen).run)(data)
    );
}

#[cfg(not(ron_fuzz))]
fn main() -> std::io::Result<()> {
    let target = chosen();
    for path in std::env::args_os().skip(1) {
        (target.run)(&std::fs::read(&path)?);
        println!("{}: passed", path.to_string_lossy());
    }
    Ok(())
}
