//! What dialers and streams share with the thread that runs Tor.

use std::sync::Arc;

use tokio::sync::watch;
use transport_core::TransportError;

use super::Client;
use crate::DialWhileBootstrapping;

/// The client in use: there while it carries traffic, and `None` while it does not.
#[derive(Debug)]
pub(crate) struct Shared {
    client: watch::Sender<Option<Arc<Client>>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            client: watch::Sender::new(None),
        }
    }

    /// Puts a client in use, or none.
    pub(super) fn set(&self, client: Option<&Arc<Client>>) {
        self.client.send_if_modified(|now| {
            let same = match (&*now, client) {
                (None, None) => true,
                (Some(now), Some(client)) => Arc::ptr_eq(now, client),
                _ => false,
            };
            if !same {
                *now = client.cloned();
            }
            !same
        });
    }

    /// The client in use, or the next one.
    ///
    /// # Errors
    /// [`TransportError::ArtiBootstrap`] at once, where no wait is wanted.
    pub(crate) async fn client(
        &self,
        choice: DialWhileBootstrapping,
    ) -> Result<Arc<Client>, TransportError> {
        let mut watched = self.client.subscribe();
        let now = watched.borrow_and_update().clone();
        match (now, choice) {
            (Some(client), _) => Ok(client),
            (None, DialWhileBootstrapping::Fail) => Err(TransportError::ArtiBootstrap),
            (None, DialWhileBootstrapping::Wait) => {
                let client = watched.wait_for(Option::is_some).await;
                client
                    .ok()
                    .and_then(|client| client.clone())
                    .ok_or(TransportError::ArtiBootstrap)
            }
        }
    }
}
