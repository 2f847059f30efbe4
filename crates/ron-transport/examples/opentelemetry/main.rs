//! Metrics in OpenTelemetry, by a bridge from the `metrics` facade.
//!
//! The exporter of this example keeps the data in memory; a service uses that of OTLP instead.

mod bridge;

use std::time::Duration;

use bridge::OtelRecorder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics, SumDataPoint};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use ron_transport::metrics::names;
use ron_transport::{echo, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let recorder = OtelRecorder::new(provider.meter("ron_transport"));

    let transport = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .name("public")
        .recorder(&recorder)
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

    provider.force_flush()?;
    for resource in exporter.get_finished_metrics()? {
        let metrics = resource.scope_metrics().flat_map(ScopeMetrics::metrics);
        for metric in metrics {
            match (metric.name(), metric.data()) {
                (names::BYTES_IN, AggregatedMetrics::U64(MetricData::Sum(sum))) => {
                    let bytes: u64 = sum.data_points().map(SumDataPoint::value).sum();
                    println!("{} {bytes}", metric.name());
                }
                (names::HANDSHAKE_LATENCY, AggregatedMetrics::F64(MetricData::Histogram(all))) => {
                    for point in all.data_points() {
                        let bounds: Vec<f64> = point.bounds().collect();
                        println!("{} {} {bounds:?}", metric.name(), point.count());
                    }
                }
                _ => {}
            }
        }
    }
    provider.shutdown()?;
    Ok(())
}
