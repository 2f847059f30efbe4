//! Fuzz targets, and the inputs that they have found.
//!
//! A target is a function of bytes that panics when a parser breaks its contract.
//! `cargo xtask fuzz` runs them under libFuzzer. The test `replay` runs them over the files of `corpus`
//! and `regressions` in the ordinary suite. A target is a row of [`TARGETS`] and a file in `targets`.
//!
//! Parsers of published crates that are not public are included by path, so that no crate exports
//! them for tests.

// The included files have unit tests, which belong to their crates.
#![cfg(not(test))]
// A target panics where the code under test breaks its contract.
#![allow(clippy::expect_used)]

#[allow(dead_code)]
#[rustfmt::skip] // Its crate formats it.
#[path = "../../../crates/transport-tls/src/pem.rs"]
mod pem;
#[allow(dead_code)]
#[rustfmt::skip] // Its crate formats it.
#[path = "../../../crates/transport-tls/src/pem_diagnosis.rs"]
mod pem_diagnosis;
mod pieces;
mod runtime;
mod server_pair;
mod table;
mod targets;

pub use table::{find, FuzzTarget, TARGETS};
