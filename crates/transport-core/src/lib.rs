//! What every ron-transport backend shares: the traits [`Dialer`], [`Listener`] and [`Pending`],
//! the connection they yield, errors with stable kinds and reasons, tri-state readiness, the
//! [`Observer`] that metrics hang on, and the vocabulary of configuration keys.
//!
//! This crate holds no socket, reads no file and records no metric.

mod addr;
mod conn;
mod error;
mod identity;
mod io;
mod observer;
mod ready;
mod reason;
pub mod schema;
mod traits;

pub use addr::{Backend, PeerAddr, Target, TargetError};
pub use conn::{ConnInfo, Connection, DialSteps, KeyExchange};
pub use error::{Op, TlsErrorKind, TransportError};
pub use identity::{CertificateChain, NoIdentity, PeerIdentity, PeerName, VerifiedIdentity};
pub use io::{Io, Plain};
pub use observer::{
    CloseReason, Direction, NoObserver, Observer, Queue, Scope, TaskKind, TlsHandshake,
};
pub use ready::{ReadyReason, ReadyState};
pub use reason::Reason;
pub use traits::{Dialer, Listener, Pending};
