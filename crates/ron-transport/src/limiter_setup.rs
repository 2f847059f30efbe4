//! Limiter, name and observers of a transport that is being built.

use std::sync::Arc;

use transport_core::schema::ValueError;
use transport_core::{Backend, Observer, TransportError, TransportName};
use transport_limits::{Limiter, Limits};
use transport_metrics::{MetricsBuilder, MetricsObserver, MetricsPrefix};

use crate::tee::Tee;

/// Name, metrics and shared limiter of a transport that is being built.
#[derive(Default)]
pub(crate) struct LimiterSetup {
    pub(crate) name: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) limiter: Option<Limiter>,
    /// The observer of `recorder` or `observer`.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Name and prefix at the call of `recorder`.
    pub(crate) recorded: Option<(Option<String>, Option<String>)>,
    /// The observers beside it.
    pub(crate) added: Vec<Arc<dyn Observer>>,
}

impl LimiterSetup {
    /// Returns the observer and the limiter of the transport.
    ///
    /// `limits` gets the shared ceilings.
    pub(crate) fn into_limiter(
        mut self,
        limits: &mut Limits,
        backends: &[Backend],
    ) -> Result<(Limiter, Arc<dyn Observer>), TransportError> {
        let metrics = self.metrics().map_err(invalid)?;
        if let Some(recorded) = &self.recorded {
            if *recorded != (self.name.clone(), self.prefix.clone()) {
                let text = "name and metrics_prefix must be set before recorder";
                return Err(invalid(ValueError::new(text)));
            }
        }
        let observer = self.observer.take();
        let observer = observer.unwrap_or_else(|| Arc::new(metrics.build(backends)));
        let observer = match self.added.is_empty() {
            true => observer,
            false => Arc::new(Tee::new(observer, self.added.split_off(0))),
        };
        let mut limiter = Limiter::builder()
            .limits(limits.clone())
            .observer(Arc::clone(&observer));
        if let Some(name) = self.name()? {
            limiter = limiter.name(name);
        }
        if let Some(shared) = &self.limiter {
            limiter = limiter.share(shared);
        }
        let limiter = limiter.build()?;
        *limits = limiter.limits();
        Ok((limiter, observer))
    }

    fn name(&self) -> Result<Option<TransportName>, TransportError> {
        let name = self.name.as_deref().map(str::parse);
        name.transpose().map_err(invalid)
    }

    /// Returns a builder of metrics with name and prefix.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub(crate) fn metrics(&self) -> Result<MetricsBuilder, ValueError> {
        let mut metrics = MetricsObserver::builder();
        if let Some(name) = &self.name {
            metrics = metrics.transport(name.parse()?);
        }
        if let Some(prefix) = &self.prefix {
            metrics = metrics.prefix(prefix.parse::<MetricsPrefix>()?);
        }
        Ok(metrics)
    }
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn invalid(error: ValueError) -> TransportError {
    TransportError::Config {
        source: error.to_string().into(),
    }
}
