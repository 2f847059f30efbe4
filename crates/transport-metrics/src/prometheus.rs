//! A Prometheus recorder with the buckets of the table.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics::Recorder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tokio::time::MissedTickBehavior;

use crate::scrape_recorder::ScrapeRecorder;
use crate::{MetricKind, MetricsPrefix, METRICS};

/// Shortest interval of the upkeep.
const MIN_UPKEEP: Duration = Duration::from_millis(1);

/// A Prometheus recorder with the buckets of [`METRICS`]. Clones share it.
///
/// It opens no port and spawns no task. The embedder's `/metrics` handler calls
/// [`render`](Self::render), and a task of the embedder polls [`upkeep`](Self::upkeep).
///
/// ```
/// use transport_core::Backend;
/// use transport_metrics::{MetricsObserver, Prometheus};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = Prometheus::new()?;
/// let observer = MetricsObserver::with_recorder(prometheus.recorder(), &[Backend::Tcp]);
/// assert!(prometheus.render().contains("transport_accepts_total{backend=\"tcp\"} 0\n"));
/// # drop(observer);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Prometheus {
    ledger: Arc<ScrapeRecorder>,
}

impl Prometheus {
    /// Creates a recorder that is not the global one.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn new() -> Result<Self, BuildError> {
        Self::with_prefix(&MetricsPrefix::default())
    }

    /// Creates a recorder for metrics with this prefix.
    ///
    /// Without the prefix of the observer here, its histograms have no buckets and appear as
    /// summaries.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn with_prefix(prefix: &MetricsPrefix) -> Result<Self, BuildError> {
        let builder = Self::with_prefixed_buckets(PrometheusBuilder::new(), prefix)?;
        let exporter = builder.build_recorder();
        Ok(Self {
            ledger: Arc::new(ScrapeRecorder::new(exporter)),
        })
    }

    /// Sets the buckets of [`METRICS`] on an exporter of the embedder.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn with_buckets(builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
        Self::with_prefixed_buckets(builder, &MetricsPrefix::default())
    }

    /// Sets the buckets of [`METRICS`] with this prefix on an exporter.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn with_prefixed_buckets(
        mut builder: PrometheusBuilder,
        prefix: &MetricsPrefix,
    ) -> Result<PrometheusBuilder, BuildError> {
        for metric in METRICS {
            if let MetricKind::Histogram(bounds) = metric.kind {
                let matcher = Matcher::Full(prefix.name(metric.name));
                builder = builder.set_buckets_for_metric(matcher, bounds)?;
            }
        }
        Ok(builder)
    }

    /// Returns the recorder.
    ///
    /// See [`MetricsObserver::with_recorder`](crate::MetricsObserver::with_recorder).
    #[must_use]
    pub fn recorder(&self) -> &(dyn Recorder + Send + Sync) {
        &*self.ledger
    }

    /// Renders all series in Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.ledger.render()
    }

    /// Moves recorded samples into their buckets, at once and then periodically.
    ///
    /// The interval is at least 1 ms; the future never returns. A scrape does the same; without
    /// either, samples accumulate in memory. Poll the future within a tokio runtime with a timer.
    ///
    /// # Cancel safety
    /// Dropping the future stops the upkeep and loses no sample.
    pub fn upkeep(&self, interval: Duration) -> impl Future<Output = ()> + Send + 'static {
        let handle = self.ledger.exporter().handle();
        async move {
            let mut ticks = tokio::time::interval(interval.max(MIN_UPKEEP));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        }
    }

    /// Installs this as the global recorder of the process.
    ///
    /// # Errors
    /// When the process has a global recorder already. That one stays.
    pub fn install_global(&self) -> Result<(), AlreadyInstalled> {
        metrics::set_global_recorder(Arc::clone(&self.ledger)).map_err(|_| AlreadyInstalled)
    }
}

/// The process has a global metrics recorder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // A unit.
pub struct AlreadyInstalled;

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a global metrics recorder is installed already")
    }
}

impl std::error::Error for AlreadyInstalled {}
