//! A recorder that passes values to the exporter at a scrape.
//!
//! The values are those of counters and gauges.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use metrics_util::registry::{AtomicStorage, Registry};
use std::sync::atomic::Ordering::Acquire;

const METADATA: Metadata<'static> =
    Metadata::new("ron_transport", Level::INFO, Some(module_path!()));

/// A recorder with one atomic per counter and gauge.
///
/// A scrape copies the values to the exporter. The exporter's own counters and gauges also count
/// their changes: three cache lines and two writes per event instead of one of each.
///
/// Samples of histograms go to the exporter at once: it has the buckets.
#[derive(Debug)]
pub(crate) struct ScrapeRecorder {
    exporter: PrometheusRecorder,
    kept: Registry<Key, AtomicStorage>,
    /// Held during a scrape.
    ///
    /// Two scrapes thereby do not mix their gauges.
    scrape: Mutex<()>,
}

impl ScrapeRecorder {
    pub(crate) fn new(exporter: PrometheusRecorder) -> Self {
        Self {
            exporter,
            kept: Registry::atomic(),
            scrape: Mutex::default(),
        }
    }

    pub(crate) const fn exporter(&self) -> &PrometheusRecorder {
        &self.exporter
    }

    pub(crate) fn render(&self) -> String {
        let _scrape = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.kept.visit_counters(|key, counter| {
            let copy = self.exporter.register_counter(key, &METADATA);
            copy.absolute(counter.load(Acquire));
        });
        self.kept.visit_gauges(|key, gauge| {
            let copy = self.exporter.register_gauge(key, &METADATA);
            copy.set(f64::from_bits(gauge.load(Acquire)));
        });
        self.exporter.handle().render()
    }
}

impl Recorder for ScrapeRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.exporter.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.exporter.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.exporter.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let handle = |counter: &_| Counter::from_arc(Arc::clone(counter));
        self.kept.get_or_create_counter(key, handle)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let handle = |gauge: &_| Gauge::from_arc(Arc::clone(gauge));
        self.kept.get_or_create_gauge(key, handle)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.exporter.register_histogram(key, metadata)
    }
}
