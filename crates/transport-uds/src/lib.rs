//! The Unix-socket backend of ron-transport.
//!
//! Most services use the facade, `ron-transport`. A service that wants guarded Unix sockets and
//! nothing else depends on this crate alone: [`listen`] and [`dialer`] guard the [`raw`] backend
//! with a [`Limiter`], and compile no TLS, no Tor and no configuration loader.
//!
//! Who may connect is decided twice. The socket is mode 0600 in a directory of mode 0700, so the
//! kernel turns away everybody but this user and root: such a client sees `EACCES` when it
//! connects, and nothing is counted here. Who passes that, being root or of a process with
//! `CAP_DAC_OVERRIDE`, must have its uid in `uds.allow_uids`: such a client connects, sees the
//! end of the stream before any byte, and is counted as `uid_denied`.

mod config;
mod guarded;
mod path;
pub mod raw;

pub use config::UdsConfig;
pub use guarded::{dialer, listen, UdsDialGuard, UdsGuard};
pub use transport_core::{self, Reloadable};
pub use transport_limits::{self, Control, GuardedIo, Limiter, Limits};
