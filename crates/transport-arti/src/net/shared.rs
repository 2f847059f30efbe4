//! What dialers share with the thread that runs Tor: the client to dial with.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tokio::sync::watch;
use transport_core::{Target, TransportError};

use super::needs::Needs;
use super::Client;
use crate::DialWhileBootstrapping;

/// The client that carries traffic now, if one does.
#[derive(Debug)]
pub(crate) struct Shared {
    now: watch::Sender<InUse>,
    needs: watch::Sender<Needs>,
    /// How far the bootstrap is: the bits of an `f32`.
    progress: AtomicU32,
}

#[derive(Debug, Clone)]
enum InUse {
    /// None, and there will be one.
    NotYet,
    Client(Arc<Client>),
    /// None ever again.
    Ended,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            now: watch::Sender::new(InUse::NotYet),
            needs: watch::Sender::default(),
            progress: AtomicU32::default(),
        }
    }

    /// Announces dials to a target.
    pub(super) fn announce(&self, target: &Target) {
        self.needs.send_if_modified(|needs| needs.add(target));
    }

    /// The announced targets, as they change.
    pub(super) fn needs(&self) -> watch::Receiver<Needs> {
        self.needs.subscribe()
    }

    pub(super) fn progress(&self) -> f64 {
        f32::from_bits(self.progress.load(Ordering::Relaxed)).into()
    }

    pub(super) fn set_progress(&self, fraction: f32) {
        self.progress.store(fraction.to_bits(), Ordering::Relaxed);
    }

    /// Puts a client in use, or none for now.
    pub(super) fn set(&self, client: Option<&Arc<Client>>) {
        self.now.send_if_modified(|now| {
            let same = match (&*now, client) {
                (InUse::Client(now), Some(client)) => Arc::ptr_eq(now, client),
                (now, None) => !matches!(now, InUse::Client(_)),
                _ => false,
            };
            if !same {
                *now = client.cloned().map_or(InUse::NotYet, InUse::Client);
            }
            !same
        });
    }

    /// There will be none any more.
    pub(super) fn end(&self) {
        self.now.send_replace(InUse::Ended);
    }

    /// The client in use, or the next one.
    ///
    /// # Errors
    /// [`TransportError::ArtiBootstrap`] at once, where no wait is wanted;
    /// [`TransportError::Cancelled`], where Tor has ended.
    pub(crate) async fn client(
        &self,
        choice: DialWhileBootstrapping,
    ) -> Result<Arc<Client>, TransportError> {
        let mut watched = self.now.subscribe();
        let settled =
            |now: &InUse| choice == DialWhileBootstrapping::Fail || !matches!(now, InUse::NotYet);
        let now = match watched.wait_for(settled).await {
            Ok(now) => now.clone(),
            Err(_) => InUse::Ended,
        };
        match now {
            InUse::Client(client) => Ok(client),
            InUse::NotYet => Err(TransportError::ArtiBootstrap),
            InUse::Ended => Err(TransportError::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_of_the_end() {
        let shared = Shared::new();
        let (waited, ()) = tokio::join!(shared.client(DialWhileBootstrapping::Wait), async {
            tokio::task::yield_now().await;
            shared.end();
        });
        assert_eq!(waited.unwrap_err().kind(), "cancelled");
        let late = shared.client(DialWhileBootstrapping::Fail).await;
        assert_eq!(late.unwrap_err().kind(), "cancelled");
    }
}
