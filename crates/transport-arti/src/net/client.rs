//! One Arti client with the tokio runtime that it runs on: both end together.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arti_client::{BootstrapBehavior, TorClient, TorClientConfig};
use tokio::runtime::{Builder, Handle, Runtime as TokioRuntime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transport_core::TransportError;

use super::runtime::{self, Gate, Runtime};
use crate::error::{self, Blames};
use crate::health::Evidence;
use crate::raw::Sharing;

/// Threads that a client computes on: its cryptography takes one, its timers never starve.
const WORKERS: usize = 2;
/// Pieces of evidence that wait to be looked at; beyond these they say nothing new.
const MAX_EVIDENCE: usize = 64;

/// A client, for dials and streams.
pub(crate) struct Client {
    /// Taken away at its end: it locks its directories for as long as anybody holds it, and a
    /// stream may be held for long.
    tor: Mutex<Option<Arc<TorClient<Runtime>>>>,
    handle: Handle,
    gate: Gate,
    evidence: mpsc::Sender<Evidence>,
    /// Bytes came in since it was last looked at.
    carried: AtomicBool,
    sharing: Arc<Sharing>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A client and what only its owner may do with it.
pub(super) struct Started {
    pub(super) client: Arc<Client>,
    pub(super) evidence: mpsc::Receiver<Evidence>,
    pub(super) runtime: TokioRuntime,
}

impl Client {
    /// Starts a client that does nothing yet. Blocks for as long as files take.
    ///
    /// # Errors
    /// [`TransportError::Config`].
    pub(super) fn start(config: &TorClientConfig) -> Result<Started, TransportError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("ron-arti-tor")
            .enable_all()
            .build()
            .map_err(TransportError::Io)?;
        let (handle, gate) = (runtime.handle().clone(), Gate::default());
        let tor = runtime.block_on(async {
            TorClient::with_runtime(runtime::over(&handle, &gate))
                .config(config.clone())
                .bootstrap_behavior(BootstrapBehavior::Manual)
                .create_unbootstrapped_async()
                .await
        });
        let (sender, evidence) = mpsc::channel(MAX_EVIDENCE);
        match tor {
            Ok(tor) => Ok(Started {
                client: Arc::new(Self {
                    tor: Mutex::new(Some(tor)),
                    handle,
                    gate,
                    evidence: sender,
                    carried: AtomicBool::new(false),
                    sharing: Arc::default(),
                }),
                evidence,
                runtime,
            }),
            Err(cause) => {
                runtime.shutdown_timeout(Duration::from_secs(1));
                Err(error::start(cause))
            }
        }
    }

    /// Which of its streams share a circuit.
    pub(crate) const fn sharing(&self) -> &Arc<Sharing> {
        &self.sharing
    }

    /// Arti's own client; `None` once this one has ended.
    pub(crate) fn tor(&self) -> Option<Arc<TorClient<Runtime>>> {
        self.slot().clone()
    }

    /// Lets go of it, and ends what it runs on. Threads that take longer than this go on by
    /// themselves. Blocks.
    pub(super) fn end(&self, runtime: TokioRuntime, patience: Duration) {
        *self.slot() = None;
        self.gate.shut(patience);
        runtime.shutdown_timeout(patience);
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<TorClient<Runtime>>>> {
        self.tor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a future on the client's own runtime until it returns or the returned one is dropped.
    /// `None`: the client ended first.
    pub(crate) fn run<F>(&self, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let running = AbortOnDrop(self.handle.spawn(self.gate.guard(future)));
        async move {
            let mut running = running;
            (&mut running.0).await.ok()
        }
    }

    /// Runs a future on the client's own runtime until it returns or the client ends.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(self.gate.guard(future));
    }

    /// Tells whoever judges the network; where much was told already, one more says nothing.
    pub(crate) fn tell(&self, evidence: Evidence) {
        let _ = self.evidence.try_send(evidence);
    }

    /// Tells what a failure says about the network.
    pub(crate) fn tell_failure(&self, blames: Blames) {
        match blames {
            Blames::Network => self.tell(Evidence::Doubt),
            Blames::Target => self.tell(Evidence::Carried),
            Blames::Nobody => {}
        }
    }

    /// Bytes came in.
    pub(crate) fn carried(&self) {
        if !self.carried.load(Ordering::Relaxed) {
            self.carried.store(true, Ordering::Relaxed);
        }
    }

    /// Whether bytes came in since this was last asked.
    pub(super) fn take_carried(&self) -> bool {
        self.carried.swap(false, Ordering::Relaxed)
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
