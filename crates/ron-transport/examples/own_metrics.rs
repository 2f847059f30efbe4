//! Metrics in a recorder of the embedder, with a prefix.
//!
//! An observer beside them counts connections that ended in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use ron_transport::{echo, Backend, CloseReason, Observer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Series by name and labels.
///
/// The lock is for registration and reading. Events change atomics, without a lock.
#[derive(Default)]
struct Series {
    counters: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    samples: Mutex<BTreeMap<Key, Arc<Samples>>>,
}

/// Counts the samples of a histogram.
#[derive(Default)]
struct Samples(AtomicU64);

impl HistogramFn for Samples {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the handle of a series, which the first call creates.
fn handle<T: Default>(series: &Mutex<BTreeMap<Key, Arc<T>>>, key: &Key) -> Arc<T> {
    let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(series.entry(key.clone()).or_default())
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(handle(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        // The bits of an `f64`.
        Gauge::from_arc(handle(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(handle(&self.samples, key))
    }
}

/// Counts connections that ended in order.
///
/// It runs in the task of the event, so it must not block.
#[derive(Default)]
struct Ends(AtomicU64);

impl Observer for Ends {
    fn closed(&self, _backend: Backend, reason: CloseReason) {
        if reason == CloseReason::Eof {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (series, ends) = (Series::default(), Arc::new(Ends::default()));
    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        // Name and prefix come before the recorder, which registers the series.
        .name("public")
        .metrics_prefix("myapp_")
        .recorder(&series)
        .also_observe(Arc::clone(&ends) as Arc<dyn Observer>)
        .build()?;
    let addr = transport.listen().await?.to_string();

    let clients = async {
        for _ in 0..3 {
            let mut client = TcpStream::connect(&addr).await?;
            client.write_all(b"hello").await?;
            client.shutdown().await?;
            client.read_to_end(&mut Vec::new()).await?;
        }
        transport.wait_empty().await;
        transport.shutdown(Duration::from_secs(1)).await;
        Ok::<_, std::io::Error>(())
    };
    let (served, asked) = tokio::join!(transport.serve(echo), clients);
    served?;
    asked?;

    let counters = series
        .counters
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for (key, counter) in &*counters {
        let count = counter.load(Ordering::Relaxed);
        if count > 0 && key.name().ends_with("transport_accepts_total") {
            println!("{} {count}", text(key));
        }
        assert!(key.name().starts_with("myapp_"));
    }
    println!("ended in order: {}", ends.0.load(Ordering::Relaxed));
    Ok(())
}

/// Formats a series as Prometheus does.
fn text(key: &Key) -> String {
    let labels: Vec<String> = key
        .labels()
        .map(|label| format!("{}=\"{}\"", label.key(), label.value()))
        .collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}
