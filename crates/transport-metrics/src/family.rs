//! The handles of one metric, in a table indexed by label positions.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use transport_core::Backend;

use crate::{Metric, MetricKind};

const METADATA: Metadata<'static> =
    Metadata::new("ron_transport", Level::INFO, Some(module_path!()));

/// A recorder, and the backends to register handles for.
#[derive(Clone, Copy)]
pub(crate) struct Registrar<'a> {
    pub(crate) recorder: &'a dyn Recorder,
    pub(crate) backends: &'a [Backend],
}

/// The handles of a metric with `D` labels.
///
/// Handles of series that cannot exist do nothing.
#[derive(Debug)]
pub(crate) struct Family<H, const D: usize> {
    handles: Box<[H]>,
    widths: [usize; D],
}

impl<H: Handle, const D: usize> Family<H, D> {
    /// Registers all series that can exist.
    ///
    /// Describes the metric if it has a series. A scrape thereby shows the series before the first
    /// event.
    ///
    /// A scrape thereby shows them before the first event.
    pub(crate) fn register(registrar: Registrar<'_>, metric: &Metric) -> Self {
        let cells = metric.cells(registrar.backends);
        if cells.iter().any(Option::is_some) {
            describe(registrar.recorder, metric);
        }
        let handle = |cell: Option<Vec<(&'static str, &'static str)>>| match cell {
            Some(series) => {
                let labels = series
                    .into_iter()
                    .map(|(k, v)| Label::from_static_parts(k, v));
                let key = Key::from_parts(metric.name, labels.collect::<Vec<_>>());
                H::make(registrar.recorder, &key)
            }
            None => H::noop(),
        };
        let width = |at| {
            let label: Option<&crate::Label> = metric.labels.get(at);
            label.map_or(1, |label| label.values_with(registrar.backends).len())
        };
        // The last handle is for a backend without a position.
        let cells = cells.into_iter().chain([None]);
        Self {
            handles: cells.map(handle).collect(),
            widths: std::array::from_fn(width),
        }
    }
}

impl<H, const D: usize> Family<H, D> {
    /// Returns the handle of the series with these positions of label values.
    ///
    /// A position that no value has yields a handle that does nothing.
    pub(crate) fn at(&self, positions: [usize; D]) -> &H {
        let mut at = 0;
        for (position, width) in positions.into_iter().zip(self.widths) {
            if position >= width {
                at = self.handles.len() - 1;
                break;
            }
            at = at * width + position;
        }
        &self.handles[at]
    }
}

/// A kind of handle.
///
/// A new handle adds 0 and sets nothing: where two transports share a recorder, the second must not
/// reset the values of the first.
pub(crate) trait Handle {
    fn make(recorder: &dyn Recorder, key: &Key) -> Self;
    fn noop() -> Self;
}

impl Handle for Counter {
    fn make(recorder: &dyn Recorder, key: &Key) -> Self {
        let counter = recorder.register_counter(key, &METADATA);
        counter.increment(0);
        counter
    }

    fn noop() -> Self {
        Self::noop()
    }
}

impl Handle for Gauge {
    fn make(recorder: &dyn Recorder, key: &Key) -> Self {
        let gauge = recorder.register_gauge(key, &METADATA);
        gauge.increment(0.0);
        gauge
    }

    fn noop() -> Self {
        Self::noop()
    }
}

impl Handle for Histogram {
    fn make(recorder: &dyn Recorder, key: &Key) -> Self {
        recorder.register_histogram(key, &METADATA)
    }

    fn noop() -> Self {
        Self::noop()
    }
}

fn describe(recorder: &dyn Recorder, metric: &Metric) {
    let name = KeyName::from_const_str(metric.name);
    let help = SharedString::const_str(metric.help);
    let unit: Option<Unit> = metric.unit;
    match metric.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, help),
        MetricKind::Gauge => recorder.describe_gauge(name, unit, help),
        MetricKind::Histogram(_) => recorder.describe_histogram(name, unit, help),
    }
}
