//! The vocabulary of ron-transport.
//!
//! For backends, and for code that uses several of them.
//!
//! - The traits [`Dialer`], [`Listener`] and [`Pending`], and the [`Connection`] that they yield.
//! - [`TransportError`] with stable kinds, and the [`Reason`] of a rejection.
//! - [`ReadyState`], and the [`Observer`] that metrics implement.
//! - [`schema`]: configuration keys and their sections; [`Reloadable`] values.
//! - [`escape`](mod@escape) for text from peers, and safe access to configured files.
//!
//! This crate holds no socket, spawns no task and records no metric.

mod addr;
mod conn;
pub mod contract;
mod error;
pub mod escape;
mod failure;
mod file;
mod identity;
mod io;
mod key_file;
mod labels;
mod observer;
mod proxied;
mod ready;
mod reason;
mod reloadable;
pub mod schema;
mod traits;
mod transport_name;

pub use addr::{Backend, PeerAddr, Target, TargetError};
pub use conn::{ConnInfo, Connection, DialSteps, KeyExchange};
pub use error::{BoxError, ErrorKind, Op, TlsErrorKind, TransportError, ViaErrorKind};
pub use failure::Failure;
pub use file::{open_file, open_regular_file, read_bounded};
pub use identity::{CertificateChain, NoIdentity, PeerIdentity, PeerName, VerifiedIdentity};
pub use io::{Io, Plain, Taken};
pub use key_file::open_to_others;
pub use labels::{CloseReason, Direction, Queue, Scope, TaskKind};
pub use observer::{NoObserver, Observer, TlsHandshake};
pub use proxied::{Proxied, ProxiedAddrs, ProxiedTls, ProxyResult, ProxyVersion};
pub use ready::{ReadyReason, ReadyState};
pub use reason::Reason;
pub use reloadable::Reloadable;
pub use traits::{Dialer, Listener, Pending};
pub use transport_name::TransportName;
