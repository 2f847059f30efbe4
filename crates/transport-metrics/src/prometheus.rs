//! A Prometheus recorder with the table's buckets.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use metrics::Recorder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tokio::time::MissedTickBehavior;

use crate::ledger::Ledger;
use crate::{Kind, METRICS};

/// Shortest interval of the upkeep.
const MIN_UPKEEP: Duration = Duration::from_millis(1);

/// A Prometheus recorder set up for [`METRICS`]. Clones share it.
///
/// It opens no port and spawns nothing: whoever serves `/metrics` calls [`render`](Self::render),
/// and a task of the embedder drives [`upkeep`](Self::upkeep).
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
    ledger: Arc<Ledger>,
}

impl Prometheus {
    /// A recorder of its own, which nothing but this value refers to.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn new() -> Result<Self, BuildError> {
        let exporter = Self::with_buckets(PrometheusBuilder::new())?.build_recorder();
        Ok(Self {
            ledger: Arc::new(Ledger::new(exporter)),
        })
    }

    /// Sets the buckets of every histogram of [`METRICS`] on an exporter the embedder configures.
    ///
    /// # Errors
    /// When the exporter refuses the buckets.
    pub fn with_buckets(mut builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
        for metric in METRICS {
            if let Kind::Histogram(bounds) = metric.kind {
                let matcher = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(matcher, bounds)?;
            }
        }
        Ok(builder)
    }

    /// The recorder, for [`MetricsObserver::with_recorder`](crate::MetricsObserver::with_recorder).
    #[must_use]
    pub fn recorder(&self) -> &(dyn Recorder + Send + Sync) {
        &*self.ledger
    }

    /// Every series in Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.ledger.render()
    }

    /// Moves recorded samples into their buckets, at once and then at this interval (at least
    /// 1 ms), for ever. A scrape does the same; without either, samples pile up in memory.
    ///
    /// The future must be polled within a tokio runtime that has its timer on. Dropping it stops
    /// the upkeep and loses nothing.
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

    /// Makes this the process's global recorder.
    ///
    /// # Errors
    /// When the process has one already, which then stays.
    pub fn install_global(&self) -> Result<(), AlreadyInstalled> {
        metrics::set_global_recorder(Arc::clone(&self.ledger)).map_err(|_| AlreadyInstalled)
    }
}

/// The process has a global metrics recorder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyInstalled;

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a global metrics recorder is installed already")
    }
}

impl std::error::Error for AlreadyInstalled {}
