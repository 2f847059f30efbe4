//! Metrics of ron-transport: [`METRICS`] names every metric with its labels, their possible
//! values, buckets and help, and [`MetricsObserver`] counts on the [`metrics`] facade what the
//! transport reports through [`transport_core::Observer`].
//!
//! The recorder stays the embedder's choice: nothing is installed globally unless asked for. With
//! the feature `prometheus` there is a ready one, `Prometheus`, with the table's buckets.
//!
//! ```
//! use transport_core::{Backend, Observer};
//! use transport_metrics::MetricsObserver;
//!
//! // Without a recorder everything is counted into the void.
//! let observer = MetricsObserver::new(&[Backend::Tcp]);
//! observer.accepted(Backend::Tcp);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod family;
#[cfg(feature = "prometheus")]
mod ledger;
mod markdown;
pub mod names;
mod observer;
#[cfg(feature = "prometheus")]
mod prometheus;
mod series;
mod table;
mod throttle;
mod values;

pub use markdown::markdown;
pub use observer::MetricsObserver;
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::{AlreadyInstalled, Prometheus};
pub use series::Series;
pub use table::{Kind, Label, Metric, IO_SIZE_BUCKETS, LATENCY_BUCKETS, METRICS};

#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use metrics_exporter_prometheus::BuildError;
