//! The handles of one metric, in a table indexed by label positions.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use transport_core::{Backend, TransportName};

use crate::{names, Metric, MetricKind, MetricsPrefix};

const METADATA: Metadata<'static> =
    Metadata::new("ron_transport", Level::INFO, Some(module_path!()));

/// A recorder, and the properties of the handles to register.
#[derive(Clone, Copy)]
pub(crate) struct Registrar<'a> {
    pub(crate) recorder: &'a dyn Recorder,
    pub(crate) backends: &'a [Backend],
    pub(crate) prefix: &'a MetricsPrefix,
    pub(crate) transport: Option<&'a TransportName>,
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
    pub(crate) fn register(registrar: Registrar<'_>, metric: &Metric) -> Self {
        let cells = metric.cells(registrar.backends);
        if cells.iter().any(Option::is_some) {
            describe(registrar, metric);
        }
        let handle = |cell: Option<Vec<(&'static str, &'static str)>>| match cell {
            Some(series) => {
                let transport = registrar.transport.map(transport_label);
                let own = series
                    .into_iter()
                    .map(|(k, v)| Label::from_static_parts(k, v));
                let labels: Vec<_> = transport.into_iter().chain(own).collect();
                let key = Key::from_parts(registrar.prefix.name(metric.name), labels);
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

fn transport_label(name: &TransportName) -> Label {
    Label::new(names::TRANSPORT_LABEL, name.as_str().to_owned())
}

fn describe(registrar: Registrar<'_>, metric: &Metric) {
    let recorder = registrar.recorder;
    let name = KeyName::from(registrar.prefix.name(metric.name));
    let help = SharedString::const_str(metric.help);
    let unit: Option<Unit> = metric.unit;
    match metric.kind {
        MetricKind::Counter => recorder.describe_counter(name, unit, help),
        MetricKind::Gauge => recorder.describe_gauge(name, unit, help),
        MetricKind::Histogram(_) => recorder.describe_histogram(name, unit, help),
    }
}
