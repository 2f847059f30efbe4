//! The tasks that serve listeners and drain removed ones.

use std::sync::Arc;

use ron_transport::TransportError;
use tokio::task::{JoinError, JoinSet};

use super::listeners::{Listeners, RunningListener};
use super::workers::Workers;
use crate::exit::ExitFailure;
use crate::logging::TARGET;

/// The tasks that serve listeners and drain removed ones.
pub(super) struct ListenerTasks<'a> {
    workers: &'a Workers,
    serving: JoinSet<Result<(), ExitFailure>>,
    /// Ends with the process: it follows readiness.
    following: JoinSet<()>,
}

impl<'a> ListenerTasks<'a> {
    /// Returns no tasks yet; accept loops will run on these workers.
    pub(super) fn on(workers: &'a Workers) -> Self {
        Self {
            workers,
            serving: JoinSet::new(),
            following: JoinSet::new(),
        }
    }

    /// Serves a listener on every worker until its transport stops.
    pub(super) fn serve(&mut self, listeners: &Listeners, one: Arc<RunningListener>) {
        let follow = listeners.clone().follow(Arc::clone(&one));
        self.following.spawn(follow);
        let accepting = Arc::clone(&one);
        let accepting = self.workers.serve(move || accept(Arc::clone(&accepting)));
        self.serving.spawn(async move {
            tokio::select! {
                ended = accepting => ended,
                () = watch_upstreams(&one) => Ok(()),
            }
        });
    }

    /// Drains a listener that a reload has removed.
    pub(super) fn drain(&mut self, listeners: &Listeners, one: Arc<RunningListener>) {
        tracing::info!(
            target: TARGET,
            event = "listener",
            transport = one.name(),
            listen = one.listen(),
            "removed by a reload: its connections drain",
        );
        let listeners = listeners.clone();
        self.serving.spawn(async move {
            let deadline = one.transport.config().general.drain_timeout();
            // The drain reports that the transport is not ready, at its start and at its end.
            let draining = one.transport.shutdown(deadline);
            tokio::join!(draining, async { listeners.report_successor(one.name()) });
            listeners.report_successor(one.name());
            Ok(())
        });
    }

    /// Waits for a listener that cannot be served. Cancel-safe.
    pub(super) async fn failed(&mut self) -> ExitFailure {
        loop {
            match self.serving.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => return failure,
                Some(Err(error)) => return panicked(&error),
                None => std::future::pending().await,
            }
            while self.following.try_join_next().is_some() {}
        }
    }

    /// Waits until every listener has stopped.
    pub(super) async fn ended(mut self) {
        while self.serving.join_next().await.is_some() {}
    }
}

/// Accepts and handles connections until the transport of the listener stops.
async fn accept(listener: Arc<RunningListener>) -> Result<(), TransportError> {
    let handler = Arc::clone(&listener.handler);
    listener
        .transport
        .serve(move |conn| handler.handle(conn))
        .await
}

/// Reports whether all targets of a listener rest, indefinitely.
async fn watch_upstreams(listener: &RunningListener) {
    let transport = &listener.transport;
    let upstreams = &listener.handler.upstreams;
    upstreams
        .watch(|all_rest| transport.set_upstream_down(all_rest))
        .await;
}

fn panicked(error: &JoinError) -> ExitFailure {
    ExitFailure::runtime("a listener failed", error)
}
