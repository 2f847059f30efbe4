//! A recorder of the `metrics` facade that reports to an OpenTelemetry meter.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry::KeyValue;
use ron_transport::metrics::{MetricKind, METRICS};

/// The atomics of all series of one instrument, read at a collection.
type Values = Arc<Mutex<Vec<(Vec<KeyValue>, Arc<AtomicU64>)>>>;

/// Reports to an OpenTelemetry meter.
///
/// Counters and gauges are atomics that a collection reads, so an event costs one write. Samples of
/// histograms go to the SDK at once, with the buckets of [`METRICS`].
pub(crate) struct OtelRecorder {
    meter: Meter,
    /// Help text and unit by name.
    described: Mutex<BTreeMap<String, (String, &'static str)>>,
    /// The instruments of counters and gauges by name.
    instruments: Mutex<BTreeMap<String, Values>>,
}

impl OtelRecorder {
    pub(crate) fn new(meter: Meter) -> Self {
        Self {
            meter,
            described: Mutex::default(),
            instruments: Mutex::default(),
        }
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        // The units of UCUM that OpenTelemetry uses; `Count` has none.
        let unit = match unit {
            Some(Unit::Seconds) => "s",
            Some(Unit::Bytes) => "By",
            _ => "",
        };
        let mut described = lock(&self.described);
        described.insert(name.as_str().to_owned(), (help.to_string(), unit));
    }

    fn description(&self, key: &Key) -> (String, &'static str) {
        let described = lock(&self.described);
        described.get(key.name()).cloned().unwrap_or_default()
    }

    /// Adds a series to its instrument.
    ///
    /// `create` creates the instrument for the first series.
    fn add(&self, key: &Key, create: impl FnOnce(Values)) -> Arc<AtomicU64> {
        let mut instruments = lock(&self.instruments);
        let mut create = Some(create);
        let values = instruments.entry(key.name().to_owned()).or_insert_with(|| {
            let values = Values::default();
            if let Some(create) = create.take() {
                create(Arc::clone(&values));
            }
            values
        });
        let (mut values, labels) = (lock(values), attributes(key));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == labels) {
            return Arc::clone(value);
        }
        let value = Arc::new(AtomicU64::new(0));
        values.push((labels, Arc::clone(&value)));
        value
    }
}

impl Recorder for OtelRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&name, unit, &help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&name, unit, &help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&name, unit, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let (help, unit) = self.description(key);
        let create = |values: Values| {
            let instrument = self.meter.u64_observable_counter(key.name().to_owned());
            let read = move |to: &dyn AsyncInstrument<u64>| {
                for (labels, value) in &*lock(&values) {
                    to.observe(value.load(Ordering::Relaxed), labels);
                }
            };
            let instrument = instrument.with_description(help).with_unit(unit);
            let _ = instrument.with_callback(read).build();
        };
        Counter::from_arc(self.add(key, create))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let (help, unit) = self.description(key);
        let create = |values: Values| {
            let instrument = self.meter.f64_observable_gauge(key.name().to_owned());
            let read = move |to: &dyn AsyncInstrument<f64>| {
                for (labels, value) in &*lock(&values) {
                    // The facade's gauges are the bits of an `f64`.
                    to.observe(f64::from_bits(value.load(Ordering::Relaxed)), labels);
                }
            };
            let instrument = instrument.with_description(help).with_unit(unit);
            let _ = instrument.with_callback(read).build();
        };
        Gauge::from_arc(self.add(key, create))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let (help, unit) = self.description(key);
        let mut instrument = self.meter.f64_histogram(key.name().to_owned());
        instrument = instrument.with_description(help).with_unit(unit);
        if let Some(bounds) = bounds(key.name()) {
            instrument = instrument.with_boundaries(bounds.to_vec());
        }
        Histogram::from_arc(Arc::new(Samples {
            instrument: instrument.build(),
            labels: attributes(key),
        }))
    }
}

/// One series of a histogram.
struct Samples {
    instrument: opentelemetry::metrics::Histogram<f64>,
    labels: Vec<KeyValue>,
}

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.instrument.record(value, &self.labels);
    }
}

/// Returns the buckets of a metric.
///
/// The SDK's default buckets are for milliseconds.
fn bounds(name: &str) -> Option<&'static [f64]> {
    // With `metrics_prefix`, the table's names are the ends of the names.
    let metric = METRICS.iter().find(|metric| name.ends_with(metric.name))?;
    match metric.kind {
        MetricKind::Histogram(bounds) => Some(bounds),
        _ => None,
    }
}

fn attributes(key: &Key) -> Vec<KeyValue> {
    let label =
        |label: &metrics::Label| KeyValue::new(label.key().to_owned(), label.value().to_owned());
    key.labels().map(label).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
