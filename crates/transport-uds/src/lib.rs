//! The Unix-socket backend of ron-transport.
//!
//! Most services use the facade, `ron-transport`. A service that needs only guarded Unix sockets
//! depends on this crate alone: [`listen`] and [`dialer`] guard the [`raw`] backend with a
//! [`Limiter`], without TLS, Tor and the configuration loader.
//!
//! # Access control
//!
//! A client passes two checks:
//!
//! 1. The kernel checks the modes: the socket has 0600, its directory 0700. Clients of users other
//!    than this one and root get `EACCES` from `connect`, and no metric counts them.
//! 2. The listener checks the uid against `uds.allow_uids`. This concerns root and processes with
//!    `CAP_DAC_OVERRIDE`. A refused client connects, receives end of stream before any byte, and is
//!    counted as `uid_denied`.
//!
//! # Platforms
//!
//! Linux is supported. Other Unix systems, such as macOS, build, but may refuse to set the mode of a
//! socket before `bind`. Windows is not supported.

#[cfg(not(unix))]
compile_error!("transport-uds supports Unix systems only: build for Linux or macOS");

mod config;
mod guarded;
mod path;
pub mod raw;

pub use config::UdsConfig;
pub use guarded::{dialer, listen, UdsDialGuard, UdsGuard};
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
