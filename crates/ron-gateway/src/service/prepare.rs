//! The first part of the start, before the service has threads: the configuration is loaded, and the
//! sandbox restricts the files of the threads that exist.

use ron_transport::limits::Threads;

use super::config_watch::ConfigWatch;
use super::signals::Signals;
use crate::admin::AdminThread;
use crate::effective::EffectiveConfig;
use crate::exit::ExitFailure;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::startup::Sources;

/// The loaded configuration and its sandbox, for the rest of the start.
pub(super) struct Prepared {
    pub(super) watch: ConfigWatch,
    pub(super) effective: EffectiveConfig,
    /// In force on the thread that loads, and on those that it starts.
    pub(super) sandbox: Sandbox,
}

/// The threads for files, of which only the first runs before the sandbox.
pub(super) struct FileThreads {
    load: Threads,
    look: Threads,
}

/// The threads that exist from the start, so that no shortage stops them later.
pub(super) struct WorkerThreads {
    /// Loads the configuration: first at the start, then at each reload.
    pub(super) load: Threads,
    /// Looks at the configuration files.
    pub(super) look: Threads,
    /// Serves the admin endpoint.
    pub(super) admin: AdminThread,
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
    /// Starts the other threads. They come after the sandbox, so that they are in it.
    pub(super) fn start_workers(self) -> Result<WorkerThreads, ExitFailure> {
        start(&self.look)?;
        Ok(WorkerThreads {
            load: self.load,
            look: self.look,
            admin: AdminThread::start()?,
        })
    }
}

fn start(threads: &Threads) -> Result<(), ExitFailure> {
    let started = threads.start();
    started.map_err(|error| ExitFailure::runtime(runtime::NO_THREAD, &error))
}

/// Loads the configuration while signals are answered; `None` after a signal to stop.
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

/// Runs on the thread that loads.
fn load(sources: &Sources, look: Threads) -> Result<Prepared, ExitFailure> {
    // Before they are loaded: what changes from here on is seen.
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
