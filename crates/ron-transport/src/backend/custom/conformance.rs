//! The conformance suite through the erased types.

use std::sync::Arc;

use transport_core::Target;
use transport_testkit::{Harness, Held, MemoryDialer, MemoryHarness, Opened};

use super::dialer::NamedDialer;
use super::raw::ErasedListener;

/// The in-memory backend without its types.
struct ErasedHarness;

fn named(dialer: MemoryDialer) -> NamedDialer<MemoryDialer> {
    NamedDialer::new("memory", Arc::new(dialer))
}

impl Harness for ErasedHarness {
    type Listener = ErasedListener<true>;
    type Dialer = NamedDialer<MemoryDialer>;

    async fn open(&self) -> Opened<Self::Listener, Self::Dialer> {
        let Opened {
            listener,
            dialer,
            target,
        } = MemoryHarness.open().await;
        Opened {
            listener: ErasedListener::new("memory", Box::new(listener)),
            dialer: named(dialer),
            target,
        }
    }

    async fn stall(&self, dialer: &Self::Dialer, target: &Target) -> Option<Held> {
        MemoryHarness.stall(dialer.get_ref(), target).await
    }

    async fn deaf(&self) -> Option<(Self::Dialer, Target, Held)> {
        let (dialer, target, held) = MemoryHarness.deaf().await?;
        Some((named(dialer), target, held))
    }
}

transport_testkit::conformance!(ErasedHarness, paused);
