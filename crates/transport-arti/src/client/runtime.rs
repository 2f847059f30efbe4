//! Arti's runtime: a tokio runtime with a poll gate and `TCP_NODELAY`.

use std::future::Future;

use futures_util::task::{FutureObj, Spawn, SpawnError};
use tokio::runtime::Handle;
use tor_rtcompat::tokio::TokioRustlsRuntime as Tokio;
use tor_rtcompat::{Blocking, CompoundRuntime};

use super::no_delay_tcp::NoDelayTcp;
use super::poll_gate::PollGate;

/// The runtime type of every Arti client in this crate.
pub(crate) type ArtiRuntime =
    CompoundRuntime<GatedSpawner, Tokio, Tokio, NoDelayTcp, Tokio, Tokio, Tokio>;

/// Builds Arti's runtime over a tokio runtime.
pub(super) fn arti_runtime(handle: &Handle, gate: &PollGate) -> ArtiRuntime {
    let tokio = Tokio::from(handle.clone());
    let part = || tokio.clone();
    let spawner = GatedSpawner {
        tokio: part(),
        gate: gate.clone(),
    };
    let tcp = NoDelayTcp(part());
    CompoundRuntime::new(spawner, part(), part(), tcp, part(), part(), part())
}

/// Spawns tasks behind a poll gate.
#[derive(Debug, Clone)]
pub(crate) struct GatedSpawner {
    tokio: Tokio,
    gate: PollGate,
}

impl Spawn for GatedSpawner {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let gated = Box::new(self.gate.guard(future));
        self.tokio.spawn_obj(gated.into())
    }
}

impl Blocking for GatedSpawner {
    type ThreadHandle<T: Send + 'static> = <Tokio as Blocking>::ThreadHandle<T>;

    fn spawn_blocking<F, T>(&self, work: F) -> Self::ThreadHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.tokio.spawn_blocking(work)
    }

    fn reenter_block_on<F>(&self, future: F) -> F::Output
    where
        F: Future,
        F::Output: Send + 'static,
    {
        self.tokio
            .reenter_block_on(self.gate.guard_blocking(future))
    }

    fn blocking_io<F, T>(&self, work: F) -> impl Future<Output = T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.tokio.blocking_io(work)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn closed_gate_ends_blocked_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_time().build().unwrap();
        let gate = PollGate::default();
        let arti = arti_runtime(runtime.handle(), &gate);
        let (sender, blocked) = mpsc::sync_channel(1);
        let waiting = runtime.spawn_blocking(move || {
            sender.send(()).unwrap();
            arti.reenter_block_on(tokio::time::sleep(Duration::from_secs(3600)));
        });
        blocked.recv().unwrap();
        gate.close(Duration::from_secs(10));
        runtime.shutdown_timeout(Duration::from_secs(10));
        // Ended by the gate, not by the shutdown's time limit.
        assert!(waiting.is_finished());
    }
}
