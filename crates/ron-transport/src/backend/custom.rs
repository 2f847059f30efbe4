//! Backends of the embedder, without their types.

#[cfg(test)]
mod conformance;
mod dialer;
mod listener;
mod names;
mod raw;

pub(crate) use dialer::CustomDialers;
pub(crate) use listener::{CustomAdmitted, CustomGuard, CustomListener};
pub(crate) use names::CustomBackends;
