//! The TCP backend of ron-transport.
//!
//! Most services use the facade, `ron-transport`. A service that needs only guarded TCP depends on
//! this crate alone: [`listen`] and [`dialer`] guard the [`raw`] backend with a [`Limiter`], without
//! TLS, Tor and the configuration loader.
//!
//! # Platforms
//!
//! Linux is supported. Other Unix systems, such as macOS, build without the options that only Linux
//! has: `user_timeout` and `unsent_bytes`, and progress in acknowledged bytes. Windows is not
//! supported.

#[cfg(not(unix))]
compile_error!("transport-tcp supports Unix systems only: build for Linux or macOS");

mod addrs;
mod config;
mod guarded;
mod kernel;
pub mod raw;

pub use addrs::{check_addrs, leaves_v4};
pub use config::TcpConfig;
pub use guarded::{dialer, listen, TcpDialGuard, TcpGuard};
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
