//! One Arti client with its own tokio runtime; both end together.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arti_client::{BootstrapBehavior, TorClient, TorClientConfig};
use tokio::runtime::{Builder, Handle, Runtime as TokioRuntime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transport_core::TransportError;

use super::circuit_streams::CircuitStreams;
use super::poll_gate::PollGate;
use super::runtime::{arti_runtime, ArtiRuntime};
use crate::error::{self, Blame};
use crate::health::Evidence;

/// Worker threads of a client: cryptography occupies one, the other runs timers.
const WORKERS: usize = 2;
/// Capacity of the evidence channel; evidence beyond it is dropped as redundant.
const MAX_EVIDENCE: usize = 64;

/// An Arti client and its runtime, for dials and streams.
pub(crate) struct TorInstance {
    /// `None` after [`end`](Self::end).
    ///
    /// Arti keeps its directories locked while a reference to its client exists, and an open stream
    /// holds a reference to this instance.
    tor: Mutex<Option<Arc<TorClient<ArtiRuntime>>>>,
    handle: Handle,
    gate: PollGate,
    evidence: mpsc::Sender<Evidence>,
    /// True if a stream has received bytes since the last check.
    received: AtomicBool,
    circuit_streams: Arc<CircuitStreams>,
}

impl std::fmt::Debug for TorInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorInstance").finish_non_exhaustive()
    }
}

/// A new instance, with the parts that only its owner uses.
pub(crate) struct StartedInstance {
    pub(crate) instance: Arc<TorInstance>,
    pub(crate) evidence: mpsc::Receiver<Evidence>,
    pub(crate) runtime: TokioRuntime,
}

impl TorInstance {
    /// Creates a client that has not bootstrapped. Blocks on file access.
    ///
    /// # Errors
    /// [`TransportError::Config`] if Arti rejects the configuration or a directory;
    /// [`TransportError::Io`] if the system refuses a thread.
    pub(crate) fn start(config: &TorClientConfig) -> Result<StartedInstance, TransportError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("ron-arti-tor")
            .enable_all()
            .build()
            .map_err(TransportError::Io)?;
        let (handle, gate) = (runtime.handle().clone(), PollGate::default());
        let tor = runtime.block_on(async {
            TorClient::with_runtime(arti_runtime(&handle, &gate))
                .config(config.clone())
                .bootstrap_behavior(BootstrapBehavior::Manual)
                .create_unbootstrapped_async()
                .await
        });
        let (sender, evidence) = mpsc::channel(MAX_EVIDENCE);
        match tor {
            Ok(tor) => Ok(StartedInstance {
                instance: Arc::new(Self {
                    tor: Mutex::new(Some(tor)),
                    handle,
                    gate,
                    evidence: sender,
                    received: AtomicBool::new(false),
                    circuit_streams: Arc::default(),
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

    /// The dialed streams of this instance, counted by circuit.
    pub(crate) const fn circuit_streams(&self) -> &Arc<CircuitStreams> {
        &self.circuit_streams
    }

    /// Arti's client; `None` after the instance has ended.
    pub(crate) fn tor(&self) -> Option<Arc<TorClient<ArtiRuntime>>> {
        self.lock().clone()
    }

    /// Drops Arti's client and shuts the runtime down. Blocks.
    ///
    /// `limit` applies to the running polls and again to the runtime's threads; slower threads end
    /// in the background.
    pub(crate) fn end(&self, runtime: TokioRuntime, limit: Duration) {
        *self.lock() = None;
        self.gate.close(limit);
        runtime.shutdown_timeout(limit);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<TorClient<ArtiRuntime>>>> {
        self.tor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a future on the instance's runtime.
    ///
    /// Resolves to `None` if the instance ends first.
    ///
    /// # Cancel safety
    /// Dropping the returned future aborts the task.
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

    /// Spawns a future that runs until it completes or the instance ends.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(self.gate.guard(future));
    }

    /// Reports evidence to the watch; drops it if the channel is full.
    pub(crate) fn report(&self, evidence: Evidence) {
        let _ = self.evidence.try_send(evidence);
    }

    /// Reports the evidence in a failed dial.
    pub(crate) fn report_failure(&self, blame: Blame) {
        match blame {
            Blame::Network => self.report(Evidence::Doubt),
            Blame::Target => self.report(Evidence::Carried),
            Blame::Neither => {}
        }
    }

    /// Records that a stream received bytes.
    pub(crate) fn record_received(&self) {
        // A load first: the flag is usually set, and a store would contend for its cache line.
        if !self.received.load(Ordering::Relaxed) {
            self.received.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether a stream received bytes since the last call.
    pub(crate) fn take_received(&self) -> bool {
        self.received.swap(false, Ordering::Relaxed)
    }
}

/// A task that is aborted on drop.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
