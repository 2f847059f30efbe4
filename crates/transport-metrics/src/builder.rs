//! Builds an observer with a transport's name or a prefix.

use metrics::Recorder;
use transport_core::{Backend, TransportName};

use crate::family::Registrar;
use crate::{MetricsObserver, MetricsPrefix};

/// Builds a [`MetricsObserver`] with a transport's name or a prefix.
#[derive(Debug, Clone, Default)]
pub struct MetricsBuilder {
    prefix: MetricsPrefix,
    transport: Option<TransportName>,
}

impl MetricsObserver {
    /// Returns a builder without a name and without a prefix.
    ///
    /// ```
    /// use transport_core::Backend;
    /// use transport_metrics::MetricsObserver;
    ///
    /// let observer = MetricsObserver::builder()
    ///     .transport("public".parse()?)
    ///     .prefix("myapp_".parse()?)
    ///     .build(&[Backend::Tcp]);
    /// # drop(observer);
    /// # Ok::<(), transport_core::schema::ValueError>(())
    /// ```
    #[must_use]
    pub fn builder() -> MetricsBuilder {
        MetricsBuilder::default()
    }
}

impl MetricsBuilder {
    /// Sets the prefix of every metric name.
    #[must_use]
    pub fn prefix(mut self, prefix: MetricsPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Sets the label `transport` of every series.
    #[must_use]
    pub fn transport(mut self, name: TransportName) -> Self {
        self.transport = Some(name);
        self
    }

    /// Creates the observer on the current recorder, as [`MetricsObserver::new`].
    #[must_use]
    pub fn build(&self, backends: &[Backend]) -> MetricsObserver {
        metrics::with_recorder(|recorder| self.build_with(recorder, backends))
    }

    /// Creates the observer on this recorder, as [`MetricsObserver::with_recorder`].
    #[must_use]
    pub fn build_with(&self, recorder: &dyn Recorder, backends: &[Backend]) -> MetricsObserver {
        MetricsObserver::register(Registrar {
            recorder,
            backends,
            prefix: &self.prefix,
            transport: self.transport.as_ref(),
        })
    }
}
