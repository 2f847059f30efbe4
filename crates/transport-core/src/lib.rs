//! What every ron-transport backend shares: the traits [`Dialer`], [`Listener`] and [`Pending`],
//! the connection they yield, errors with stable kinds and reasons, tri-state readiness, the
//! [`Observer`] that metrics hang on, the vocabulary of configuration keys, the check of who can get
//! at the file of a private key, and [`escape`] for text that comes from peers.
//!
//! This crate holds no socket, reads no file and records no metric.

mod addr;
mod conn;
mod error;
pub mod escape;
mod failure;
mod file;
mod identity;
mod io;
mod key_file;
mod observer;
mod ready;
mod reason;
mod reloadable;
pub mod schema;
mod traits;

pub use addr::{Backend, PeerAddr, Target, TargetError};
pub use conn::{ConnInfo, Connection, DialSteps, KeyExchange};
pub use error::{ErrorKind, Op, TlsErrorKind, TransportError};
pub use failure::Failure;
pub use file::{open_file, open_regular_file, read_bounded};
pub use identity::{CertificateChain, NoIdentity, PeerIdentity, PeerName, VerifiedIdentity};
pub use io::{Io, Plain, Taken};
pub use key_file::open_to_others;
pub use observer::{
    CloseReason, Direction, NoObserver, Observer, Queue, Scope, TaskKind, TlsHandshake,
};
pub use ready::{ReadyReason, ReadyState};
pub use reason::Reason;
pub use reloadable::Reloadable;
pub use traits::{Dialer, Listener, Pending};
