//! Metrics of ron-transport, on the [`metrics`] facade.
//!
//! [`METRICS`] lists all metrics with labels, label values, buckets and help texts.
//! [`MetricsObserver`] counts the events that a transport reports to
//! [`transport_core::Observer`].
//!
//! The embedder chooses the recorder; this crate installs none by itself. The feature `prometheus`
//! adds a recorder with the buckets of the table, `Prometheus`.
//!
//! ```
//! use transport_core::{Backend, Observer};
//! use transport_metrics::MetricsObserver;
//!
//! // Without a global recorder, the events are discarded.
//! let observer = MetricsObserver::new(&[Backend::Tcp]);
//! observer.accepted(Backend::Tcp);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod family;
mod markdown;
pub mod names;
mod observer;
mod prefix;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "prometheus")]
mod scrape_recorder;
mod series;
mod table;
mod throttle_seconds;
mod values;

pub use builder::MetricsBuilder;
pub use markdown::markdown;
pub use observer::MetricsObserver;
pub use prefix::MetricsPrefix;
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::{AlreadyInstalled, Prometheus};
pub use series::Series;
pub use table::{Label, Metric, MetricKind, IO_SIZE_BUCKETS, LATENCY_BUCKETS, METRICS};

#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use metrics_exporter_prometheus::BuildError;
