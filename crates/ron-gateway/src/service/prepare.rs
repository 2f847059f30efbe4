//! The first part of the start, before the service has threads: the configuration is loaded, and the
//! sandbox restricts the files of the threads that exist.

use ron_transport::limits::Threads;

use super::config_watch::Watch;
use super::signals::Signals;
use crate::admin::AdminThread;
use crate::exit::Failure;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::startup::{Effective, Sources};

/// The loaded configuration and its sandbox, for the rest of the start.
pub(super) struct Prepared {
    pub(super) watch: Watch,
    pub(super) effective: Effective,
    /// In force on the thread that loads, and on those that it starts.
    pub(super) sandbox: Sandbox,
}

/// The threads for files, of which only the first runs before the sandbox.
pub(super) struct Loader {
    load: Threads,
    look: Threads,
}

/// The threads that exist from the start, so that no shortage stops them later.
pub(super) struct Workers {
    /// Loads the configuration: first at the start, then at each reload.
    pub(super) load: Threads,
    /// Looks at the configuration files.
    pub(super) look: Threads,
    /// Serves the admin endpoint.
    pub(super) admin: AdminThread,
}

impl Default for Loader {
    fn default() -> Self {
        Self {
            load: Threads::new("load", 1),
            look: Threads::new("watch", 1),
        }
    }
}

impl Loader {
    /// Starts the other threads. They come after the sandbox, so that they are in it.
    pub(super) fn start_workers(self) -> Result<Workers, Failure> {
        start(&self.look)?;
        Ok(Workers {
            load: self.load,
            look: self.look,
            admin: AdminThread::start()?,
        })
    }
}

fn start(threads: &Threads) -> Result<(), Failure> {
    let started = threads.start();
    started.map_err(|error| Failure::runtime(runtime::NO_THREAD, &error))
}

/// Loads the configuration while signals are answered: `None` where one said to stop meanwhile.
/// `reload` is set where one asked for a reload, which is due after the start.
pub(super) async fn prepare(
    sources: &Sources,
    loader: &Loader,
    signals: &mut Signals,
    reload: &mut bool,
) -> Result<Option<Prepared>, Failure> {
    start(&loader.load)?;
    let (sources, look) = (sources.clone(), loader.look.clone());
    let preparing = loader.load.run(move || load(&sources, look));
    tokio::select! {
        prepared = preparing => {
            let prepared = prepared.map_err(|error| Failure::runtime("the start failed", &error))?;
            prepared.map(Some)
        }
        _ = signals.stop(reload) => Ok(None),
    }
}

/// Runs on the thread that loads.
fn load(sources: &Sources, look: Threads) -> Result<Prepared, Failure> {
    // Before they are loaded: what changes from here on is seen.
    let watch = Watch::new(&sources.files, look);
    let effective = sources.load_to_listen()?;
    let sandbox = Sandbox::new(&effective, &sources.files);
    sandbox.restrict_thread()?;
    Ok(Prepared {
        watch,
        effective,
        sandbox,
    })
}
