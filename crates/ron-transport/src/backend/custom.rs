//! Backends of the embedder: a raw listener and raw dialers without their types.

mod dialer;
mod listener;
mod names;
mod raw;

pub(crate) use dialer::CustomDialers;
pub(crate) use listener::{CustomAdmitted, CustomGuard, CustomListener};
pub(crate) use names::CustomBackends;
