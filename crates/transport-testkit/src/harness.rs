//! The interface between the conformance suite and a backend.

use std::any::Any;
use std::future::Future;

use transport_core::{Dialer, Listener, Target};

/// A value that keeps a peer connected until it is dropped.
pub type Held = Box<dyn Any + Send>;

/// A bound raw listener, and a raw dialer that reaches it.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs)] // Each backend constructs it.
pub struct Opened<L, D> {
    /// The bound listener.
    pub listener: L,
    /// A dialer whose connections all come from the same peer.
    pub dialer: D,
    /// The address of the listener.
    pub target: Target,
}

/// A backend under test.
pub trait Harness: Send + Sync + 'static {
    /// The raw listener.
    type Listener: Listener;
    /// The raw dialer.
    type Dialer: Dialer;

    /// Whether a peer can tell an abort from an end of stream.
    ///
    /// A backend that cannot signal an abort documents it and sets this to `false`.
    const SIGNALS_ABORT: bool = true;

    /// Whether a hop announces the peer.
    ///
    /// Limits of the peer then apply after the accept.
    const ANNOUNCED: bool = false;

    /// Binds a new listener.
    fn open(&self) -> impl Future<Output = Opened<Self::Listener, Self::Dialer>> + Send;

    /// Connects a peer that never begins the handshake.
    ///
    /// Returns `None` where the backend has no handshake.
    fn stall(
        &self,
        dialer: &Self::Dialer,
        target: &Target,
    ) -> impl Future<Output = Option<Held>> + Send {
        let _ = (dialer, target);
        async { None }
    }

    /// Returns a dialer and a target whose dial never ends by itself.
    ///
    /// Returns `None` where the machine has no such target.
    fn deaf(&self) -> impl Future<Output = Option<(Self::Dialer, Target, Held)>> + Send {
        async { None }
    }
}
