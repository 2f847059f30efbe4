//! The first part of the start, before the service has threads.
//!
//! It loads the configuration, and the sandbox restricts the files of the existing threads.

use ron_transport::limits::Threads;
use tokio::runtime::Handle;

use super::config_watch::ConfigWatch;
use super::signals::Signals;
use super::workers::Workers;
use crate::admin::AdminThread;
use crate::effective::EffectiveConfig;
use crate::exit::ExitFailure;
use crate::process;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::startup::Sources;

/// The loaded configuration and its sandbox.
pub(super) struct Prepared {
    pub(super) watch: ConfigWatch,
    pub(super) effective: EffectiveConfig,
    /// Active in the loading thread and its children.
    pub(super) sandbox: Sandbox,
}

/// Threads for file access; only the first runs before the sandbox.
pub(super) struct FileThreads {
    load: Threads,
    look: Threads,
}

/// Threads that exist from the start.
///
/// No later shortage of threads stops them.
pub(super) struct WorkerThreads {
    /// Loads the configuration, at the start and at each reload.
    pub(super) load: Threads,
    /// Watches the configuration files.
    pub(super) look: Threads,
    /// Serves the admin endpoint.
    pub(super) admin: AdminThread,
    /// Accepts and serves connections.
    pub(super) data: Workers,
}

impl WorkerThreads {
    /// Returns the runtimes of this thread, the admin endpoint and the workers.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        let own = [Handle::current(), self.admin.handle().clone()];
        own.into_iter().chain(self.data.handles()).collect()
    }
}

impl Default for FileThreads {
    fn default() -> Self {
        Self {
            load: Threads::new("load", 1),
            look: Threads::new("watch", 1),
        }
    }
}

impl FileThreads {
    /// Starts the other threads, after the sandbox, so that they inherit it.
    pub(super) fn start_workers(
        self,
        effective: &EffectiveConfig,
    ) -> Result<WorkerThreads, ExitFailure> {
        start(&self.look)?;
        let count = effective
            .gateway
            .settings()
            .process
            .workers
            .count(process::max_fd());
        Ok(WorkerThreads {
            load: self.load,
            look: self.look,
            admin: AdminThread::start()?,
            data: Workers::start(count)?,
        })
    }
}

fn start(threads: &Threads) -> Result<(), ExitFailure> {
    let started = threads.start();
    started.map_err(|error| ExitFailure::runtime(runtime::NO_THREAD, &error))
}

/// Loads the configuration while signals are answered.
///
/// Returns `None` after a signal to stop.
pub(super) async fn prepare(
    sources: &Sources,
    loader: &FileThreads,
    signals: &mut Signals,
) -> Result<Option<Prepared>, ExitFailure> {
    start(&loader.load)?;
    let (sources, look) = (sources.clone(), loader.look.clone());
    let preparing = loader.load.run(move || load(&sources, look));
    tokio::select! {
        prepared = preparing => {
            let prepared = prepared.map_err(|error| ExitFailure::runtime("the start failed", &error))?;
            prepared.map(Some)
        }
        _ = signals.stop() => Ok(None),
    }
}

/// Loads the configuration and restricts the files of this thread.
fn load(sources: &Sources, look: Threads) -> Result<Prepared, ExitFailure> {
    // Before the load, so that a later change is detected.
    let watch = ConfigWatch::new(&sources.files, look);
    let effective = sources.load_to_listen()?;
    let sandbox = Sandbox::new(&effective, &sources.files);
    sandbox.restrict_thread()?;
    Ok(Prepared {
        watch,
        effective,
        sandbox,
    })
}
