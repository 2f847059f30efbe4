//! A raw listener and a raw dialer, without a guard.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use transport_core::{Connection, Dialer, Io, Listener, Pending, Target, TransportError};

use super::rig::{AcceptedIo, Peer};
use crate::{Harness, Opened};

/// A bound raw listener, and a raw dialer that reaches it.
pub(super) struct RawRig<H: Harness> {
    pub(super) listener: H::Listener,
    pub(super) dialer: Arc<H::Dialer>,
    pub(super) target: Target,
}

/// Both ends of a connection without a guard.
pub(super) struct RawEnds<H: Harness> {
    pub(super) ours: Connection<AcceptedIo<H>>,
    pub(super) peer: Peer<H>,
}

impl<H: Harness> RawRig<H> {
    pub(super) async fn new(harness: &H) -> Self {
        let Opened {
            listener,
            dialer,
            target,
        } = harness.open().await;
        Self {
            listener,
            dialer: Arc::new(dialer),
            target,
        }
    }
}

/// A dial in a task; its handshake may need the accepting side.
pub(super) type Dialing<H> = JoinHandle<Result<Peer<H>, TransportError>>;

/// Starts a dial.
pub(super) fn dial<H: Harness>(rig: &RawRig<H>) -> Dialing<H> {
    let (dialer, target) = (Arc::clone(&rig.dialer), rig.target.clone());
    tokio::spawn(async move { dialer.dial(&target).await })
}

/// Opens a connection.
pub(super) async fn connect<H: Harness>(rig: &mut RawRig<H>) -> RawEnds<H> {
    let dialing = dial(rig);
    let pending = rig.listener.accept().await.unwrap();
    let (ours, peer) = tokio::join!(pending.establish(), dialing);
    RawEnds {
        ours: ours.unwrap(),
        peer: peer.unwrap().unwrap(),
    }
}

/// Returns whether the dial failed or its stream ended without a byte.
pub(super) async fn ended<I: Io>(
    dialing: JoinHandle<Result<Connection<I>, TransportError>>,
) -> bool {
    match dialing.await.unwrap() {
        Ok(peer) => !served(peer.io).await,
        Err(_) => true,
    }
}

/// Returns whether the stream yields a byte before its end.
pub(super) async fn served<I: Io>(mut io: I) -> bool {
    let read: io::Result<usize> = io.read(&mut [0]).await;
    matches!(read, Ok(1..))
}
