//! A deterministic simulation of a transport.
//!
//! [`script`] has the data of a run: peers, networks, operator. A seed generates it. [`run()`] performs
//! it with the real transport on a paused clock, over a network in memory, and compares each step with
//! its own books. [`shrink()`] cuts a failing script to a small one.
//!
//! `cargo xtask sim --seeds N [--seed S]` runs many seeds, each in a process of its own.
// The programs of this crate test; their tasks are not those of a transport.
#![allow(clippy::expect_used)]
// Scripts are written as code.
#![allow(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod books;
mod client;
mod handler;
mod net;
mod observer;
mod operator;
mod rng;
mod run;
pub mod script;
mod shrink;
mod tally;
mod upstream;
mod world;

pub use books::Violation;
pub use rng::SimRng;
pub use run::{run, Report};
pub use shrink::shrink;

/// Runs a script and fails at a broken rule.
///
/// # Panics
/// With the broken rules.
pub fn check(script: &script::Script) {
    quiet();
    let report = run(script);
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
}

/// Hides the messages of panics that a script wants.
pub fn quiet() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<&str>().copied();
        if !text.is_some_and(|text| text.starts_with("the script lets")) {
            default(info);
        }
    }));
}
