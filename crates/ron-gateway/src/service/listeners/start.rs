//! Builds and binds listeners, at the start and at a reload.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ron_transport::limits::Limiter;
use ron_transport::metrics::Prometheus;
use ron_transport::{Inherited, ListenAddr, Transport, TransportError};

use super::RunningListener;
use crate::conflicts;
#[cfg(feature = "tls")]
use crate::dev_tls;
use crate::exit::ExitFailure;
use crate::listener::ListenerPlan;
use crate::logging::TARGET;
use crate::process;
use crate::systemd;

/// The parts that all listeners of the process share.
#[derive(Clone)]
pub(in crate::service) struct ListenerStarter {
    pub(in crate::service) prometheus: Prometheus,
    /// The owner of the ceilings of named listeners.
    pub(in crate::service) shared: Option<Limiter>,
    #[cfg(feature = "tls")]
    pub(in crate::service) dev_tls: bool,
    /// The number of accept loops, one for each worker.
    pub(in crate::service) loops: NonZeroUsize,
}

impl ListenerStarter {
    /// Builds a transport, without binding its address.
    pub(in crate::service) fn build(&self, plan: &ListenerPlan) -> Result<Transport, ExitFailure> {
        let mut builder = Transport::builder()
            .config(plan.config.clone())
            .accept_loops(self.loops);
        // The name is a label of the series that the recorder registers.
        if let Some(name) = &plan.name {
            builder = builder.name(name);
        }
        if let Some(shared) = &self.shared {
            builder = builder.limiter(shared);
        }
        builder = builder.recorder(self.prometheus.recorder());
        if let Some(limit) = process::max_conn_fd() {
            builder = builder.max_fd(limit);
        }
        #[cfg(feature = "tls")]
        if self.makes_certificate(plan) {
            builder = builder.server_tls(dev_tls::make(&plan.config)?);
        }
        Ok(builder.build()?)
    }

    /// Returns whether `--dev-tls` makes the certificate of a listener.
    #[cfg(feature = "tls")]
    fn makes_certificate(&self, plan: &ListenerPlan) -> bool {
        let lacks_one = plan.config.general.backend() == ron_transport::Backend::Tls
            && plan.config.tls.cert_path().is_none();
        // Without a name, a contradiction is an error.
        self.dev_tls && (plan.name.is_none() || lacks_one)
    }

    /// Prepares a listener's dials, and binds or takes over its socket.
    pub(in crate::service) async fn listen(
        &self,
        transport: Arc<Transport>,
        plan: ListenerPlan,
        inherited: Vec<Inherited>,
    ) -> Result<RunningListener, ExitFailure> {
        prepare(&transport, &plan).await?;
        let is_inherited = !inherited.is_empty();
        if is_inherited {
            let listening = transport.listen_on_all(inherited).await;
            listening.map_err(|error| match error {
                TransportError::Tls { .. } => failure(error),
                error => systemd::unusable(error),
            })?;
        } else {
            transport.listen().await.map_err(failure)?;
        }
        let listener = RunningListener::new(transport, is_inherited, plan);
        conflicts::check_listening(&listener.plan(), &listener.addrs())?;
        warn_uncapped(&listener);
        Ok(listener)
    }
}

/// Loads the files that dials to the targets need.
pub(in crate::service) async fn prepare(
    transport: &Transport,
    plan: &ListenerPlan,
) -> Result<(), ExitFailure> {
    for to in plan.service.targets() {
        transport.prepare_for(to).await.map_err(failure)?;
    }
    Ok(())
}

/// Warns of an uncapped address that a service manager chose.
///
/// The configuration warns of configured addresses.
fn warn_uncapped(listener: &RunningListener) {
    let config = listener.transport.config();
    let configured = config.general.bind_addrs().iter();
    let mut warned = configured.filter_map(|addr| config.uncapped(*addr));
    if warned.next().is_some() {
        return;
    }
    let addrs = listener.addrs();
    let mut addrs = addrs.iter().filter_map(ListenAddr::socket_addr);
    if let Some(warning) = addrs.find_map(|addr| config.uncapped(addr)) {
        tracing::warn!(target: TARGET, event = "config", "{warning}");
    }
}

/// Maps TLS errors to configuration errors.
///
/// They mean an unusable certificate, key or trust store.
fn failure(error: TransportError) -> ExitFailure {
    match error {
        TransportError::Tls { .. } => ExitFailure::Config(error.to_string()),
        error => error.into(),
    }
}
