//! Compiles the programs in the project's README.

#[doc = include_str!("../../../README.md")]
pub(crate) struct Readme;
