//! The TCP backend of ron-transport.
//!
//! Most services use the facade, `ron-transport`. A service that wants guarded TCP and nothing
//! else depends on this crate alone: [`listen`] and [`dialer`] guard the [`raw`] backend with a
//! [`Limiter`], and compile no TLS, no Tor and no configuration loader.

mod config;
mod guarded;
pub mod raw;

pub use config::TcpConfig;
pub use guarded::{dialer, listen, TcpDialGuard, TcpGuard};
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
