//! Queues the clients of the onion service for the listener.

use std::future::Future;
use std::sync::Arc;

use futures_util::stream::StreamExt;
use tokio::sync::mpsc;
use transport_core::Observer;

use crate::client::TorInstance;
use crate::onion::LaunchedService;
use crate::raw::Arrival;

/// Queues the service's clients until the listener or the service ends.
///
/// The service ends with the returned future.
pub(super) fn queue_arrivals(
    launched: LaunchedService,
    instance: &Arc<TorInstance>,
    ports: Arc<[u16]>,
    backlog: mpsc::Sender<Arrival>,
    observer: Arc<dyn Observer>,
) -> impl Future<Output = Option<()>> + Send {
    let LaunchedService {
        service,
        mut requests,
    } = launched;
    let on = Arc::clone(instance);
    instance.run(async move {
        // Dropping it ends the service.
        let _service = service;
        loop {
            let next = tokio::select! {
                next = requests.next() => next,
                // Without a listener, no client can be accepted.
                () = backlog.closed() => None,
            };
            let Some(request) = next else { return };
            let arrival = Arrival::new(request, &on, &ports, &backlog, &observer);
            if backlog.send(arrival).await.is_err() {
                return;
            }
        }
    })
}
