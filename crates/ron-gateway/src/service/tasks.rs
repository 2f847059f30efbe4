//! The tasks that serve listeners and drain removed ones.

use std::sync::Arc;

use ron_transport::TransportError;
use tokio::task::{JoinError, JoinSet};

use super::handlers;
use super::listeners::{Listeners, RunningListener};
use crate::exit::ExitFailure;
use crate::logging::TARGET;

/// The tasks that serve listeners and drain removed ones.
#[derive(Default)]
pub(super) struct ListenerTasks {
    serving: JoinSet<Result<(), TransportError>>,
    /// Ends with the process: it follows readiness.
    following: JoinSet<()>,
}

impl ListenerTasks {
    /// Serves a listener until its transport stops.
    pub(super) fn serve(&mut self, listeners: &Listeners, one: Arc<RunningListener>) {
        let follow = listeners.clone().follow(Arc::clone(&one));
        self.following.spawn(follow);
        self.serving.spawn(handlers::serve(one));
    }

    /// Drains a listener that a reload has removed.
    pub(super) fn drain(&mut self, listeners: &Listeners, one: Arc<RunningListener>) {
        tracing::info!(
            target: TARGET,
            event = "listener",
            transport = one.name(),
            listen = %one.listen,
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
                Some(Ok(Err(error))) => return error.into(),
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

fn panicked(error: &JoinError) -> ExitFailure {
    ExitFailure::runtime("a listener failed", error)
}
