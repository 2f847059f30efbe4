//! The in-memory backend under the conformance suite.

use transport_core::{Backend, Dialer, Target};

use crate::{Handshake, Harness, Held, MemoryDialer, MemoryListener, Opened};

/// The in-memory backend.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_structs)] // A unit.
pub struct MemoryHarness;

fn anywhere() -> Target {
    Target::host("memory", 1).unwrap()
}

impl Harness for MemoryHarness {
    type Listener = MemoryListener;
    type Dialer = MemoryDialer;

    async fn open(&self) -> Opened<MemoryListener, MemoryDialer> {
        let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
        Opened {
            listener,
            dialer,
            target: anywhere(),
        }
    }

    async fn stall(&self, dialer: &MemoryDialer, target: &Target) -> Option<Held> {
        let silent = dialer.clone().accept_side(Handshake::Never);
        Some(Box::new(silent.dial(target).await.unwrap()))
    }

    async fn deaf(&self) -> Option<(MemoryDialer, Target, Held)> {
        let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
        Some((
            dialer.dial_side(Handshake::Never),
            anywhere(),
            Box::new(listener),
        ))
    }
}
