//! What the conformance suite needs from a backend.

use std::any::Any;
use std::future::Future;

use transport_core::{Dialer, Listener, Target};

/// Whatever keeps a silent peer there: it leaves when this is dropped.
pub type Held = Box<dyn Any + Send>;

/// A raw listener, and a raw dialer that reaches it.
#[derive(Debug)]
pub struct Opened<L, D> {
    /// The listener, bound.
    pub listener: L,
    /// A dialer whose every connection comes from the same peer.
    pub dialer: D,
    /// Where the listener is.
    pub target: Target,
}

/// One backend under test.
pub trait Harness: Send + Sync + 'static {
    /// The raw listener.
    type Listener: Listener;
    /// The raw dialer.
    type Dialer: Dialer;

    /// Whether a peer can tell an abort from an end of stream; a backend that cannot signal it
    /// says so in its documentation.
    const SIGNALS_ABORT: bool = true;

    /// Binds a fresh listener.
    fn open(&self) -> impl Future<Output = Opened<Self::Listener, Self::Dialer>> + Send;

    /// Connects a peer that never begins the handshake; `None` where the backend has none.
    fn stall(
        &self,
        dialer: &Self::Dialer,
        target: &Target,
    ) -> impl Future<Output = Option<Held>> + Send {
        let _ = (dialer, target);
        async { None }
    }

    /// A dialer and a target where a dial never ends by itself; `None` where this machine has no
    /// such place.
    fn deaf(&self) -> impl Future<Output = Option<(Self::Dialer, Target, Held)>> + Send {
        async { None }
    }
}
