//! The compiled backends behind one listener and one dialer.
//!
//! A new backend adds a variant here; no other part of the facade names a backend.

mod accept_loops;
mod custom;
mod dialers;
mod listener;
mod state;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "arti")]
mod tor;
mod unsupported;

pub(crate) use custom::{CustomBackends, CustomDialers, CustomGuard, CustomListener};
pub(crate) use dialers::Dialers;
pub(crate) use listener::{AnyAdmitted, AnyListener, ListenerParts};
pub(crate) use state::{tcp_config, BackendState};
#[cfg(feature = "tls")]
pub(crate) use tls::client as client_tls;
