//! The client in use, shared by the dialers and the Tor thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tokio::sync::watch;
use transport_core::{Target, TransportError};

use super::instance::TorInstance;
use super::path_needs::PathNeeds;
use crate::DialWhileBootstrapping;

/// Holds the client that carries traffic, if any, and the announced targets.
#[derive(Debug)]
pub(crate) struct TorClientSlot {
    state: watch::Sender<SlotState>,
    needs: watch::Sender<PathNeeds>,
    /// Bootstrap progress, 0 to 1, as the bits of an `f32`.
    progress: AtomicU32,
}

#[derive(Debug, Clone)]
enum SlotState {
    /// No client carries traffic yet.
    Empty,
    Ready(Arc<TorInstance>),
    /// Tor has ended; no client follows.
    Ended,
}

impl TorClientSlot {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(SlotState::Empty),
            needs: watch::Sender::default(),
            progress: AtomicU32::default(),
        }
    }

    /// Announces dials to a target.
    pub(crate) fn announce(&self, target: &Target) {
        self.needs.send_if_modified(|needs| needs.add(target));
    }

    /// Subscribes to the announced targets.
    pub(crate) fn needs(&self) -> watch::Receiver<PathNeeds> {
        self.needs.subscribe()
    }

    /// Bootstrap progress, 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        f32::from_bits(self.progress.load(Ordering::Relaxed)).into()
    }

    pub(crate) fn set_progress(&self, fraction: f32) {
        self.progress.store(fraction.to_bits(), Ordering::Relaxed);
    }

    /// Replaces the client in use; `None` empties the slot.
    pub(crate) fn set(&self, instance: Option<&Arc<TorInstance>>) {
        self.state.send_if_modified(|state| {
            let same = match (&*state, instance) {
                (SlotState::Ready(current), Some(instance)) => Arc::ptr_eq(current, instance),
                (state, None) => !matches!(state, SlotState::Ready(_)),
                _ => false,
            };
            if !same {
                *state = instance.cloned().map_or(SlotState::Empty, SlotState::Ready);
            }
            !same
        });
    }

    /// Marks Tor as ended; current and later waiters get an error.
    pub(crate) fn end(&self) {
        self.state.send_replace(SlotState::Ended);
    }

    /// Returns the client in use, or waits for the next one.
    ///
    /// # Errors
    /// [`TransportError::ArtiBootstrap`] at once if the slot is empty and `choice` is `Fail`;
    /// [`TransportError::Cancelled`] if Tor has ended.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn client(
        &self,
        choice: DialWhileBootstrapping,
    ) -> Result<Arc<TorInstance>, TransportError> {
        let mut watched = self.state.subscribe();
        let settled = |state: &SlotState| {
            choice == DialWhileBootstrapping::Fail || !matches!(state, SlotState::Empty)
        };
        let state = match watched.wait_for(settled).await {
            Ok(state) => state.clone(),
            Err(_) => SlotState::Ended,
        };
        match state {
            SlotState::Ready(instance) => Ok(instance),
            SlotState::Empty => Err(TransportError::ArtiBootstrap),
            SlotState::Ended => Err(TransportError::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn end_wakes_waiting_dials() {
        let slot = TorClientSlot::new();
        let (waited, ()) = tokio::join!(slot.client(DialWhileBootstrapping::Wait), async {
            tokio::task::yield_now().await;
            slot.end();
        });
        assert_eq!(waited.unwrap_err().kind(), "cancelled");
        let late = slot.client(DialWhileBootstrapping::Fail).await;
        assert_eq!(late.unwrap_err().kind(), "cancelled");
    }
}
