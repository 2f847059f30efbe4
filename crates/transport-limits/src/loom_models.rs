//! Loom models of the lock-free shared state: `cargo xtask loom`.
//!
//! A model runs every interleaving of its threads. Ticks are passed in, so a model has no clock.

#![allow(clippy::unwrap_used)]

mod admission;
mod buckets;
mod memory;
mod registry;
mod streams;
mod watchers;

/// Runs a model with a bounded number of preemptions.
pub(crate) fn check_bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
