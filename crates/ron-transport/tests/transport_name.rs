//! The name of a transport in its log events.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]
#![cfg(feature = "tls")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ron_transport::{echo, Config, Conn, Deadlines, Endpoint, Limits, Transport, TransportBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

type Fields = BTreeMap<&'static str, String>;

/// The fields of each event, with those of its spans.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Fields>>>);

#[derive(Default)]
struct Collect(Fields);

impl Visit for Collect {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Collect::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        span.extensions_mut().insert(fields.0);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != "ron_transport" {
            return;
        }
        let mut fields = Collect::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.clone());
            }
        }
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

/// Handles connections with each kind of log event.
async fn events_of(builder: TransportBuilder, files: &PkiDir) {
    let recorder = Recorder::new();
    let deadlines = Deadlines::default().with_handshake(Duration::from_millis(200));
    let transport = builder
        .observer(recorder.observer())
        .bind_addr("127.0.0.1:0".parse().unwrap())
        .limits(Limits::new().with_deadlines(deadlines).unwrap())
        .tls_files(files.path("chain.pem"), files.path("localhost.key"))
        .build()
        .unwrap();
    let transport = Arc::new(transport);
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let handler = |conn: Conn| async move {
        echo(conn).await.map_err(|error| error.to_string())?;
        Err::<(), _>("the handler failed".to_owned())
    };
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(handler));
    let to = Endpoint::tls("localhost", addr.port()).unwrap();
    // No handshake, and none before the deadline.
    let _silent = tokio::net::TcpStream::connect(addr).await.unwrap();
    let mut plain = tokio::net::TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut conn = transport.dial(&to).await.unwrap();
    conn.write_all(b"x").await.unwrap();
    conn.flush().await.unwrap();
    assert_eq!(conn.read_u8().await.unwrap(), b'x');
    conn.shutdown().await.unwrap();
    conn.read_to_end(&mut Vec::new()).await.unwrap();
    recorder
        .wait_for("both failures", |s| {
            s.all_rejected() >= 2 && s.inflight() <= 1
        })
        .await;
    let mut config = Config::clone(&transport.config());
    config.limits.set_max_conns(7).unwrap();
    transport.reload(config.clone()).unwrap();
    config.tcp.set_backlog(9).unwrap();
    transport.reload(config).unwrap_err();
    assert!(transport.dial("tcp://127.0.0.1:1").await.is_err());
    drop(conn);
    transport.shutdown(Duration::from_secs(5)).await;
    serving.await.unwrap().unwrap();
}

/// One test: threads that read files log to the process's subscriber.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_with_and_without_name() {
    let log = Log::default();
    let registry = tracing_subscriber::registry().with(log.clone());
    tracing::subscriber::set_global_default(registry).unwrap();
    let (authority, files) = (Authority::new(), PkiDir::new());
    let leaf = authority.leaf(&["localhost"]);
    files.write_pair("localhost", &leaf);
    // With a certificate that is not of the chain, which is logged while files are read.
    let unrelated = Authority::root("unrelated").pem();
    let chain = std::fs::read_to_string(files.path("localhost.pem")).unwrap();
    files.write("chain.pem", &format!("{chain}{unrelated}"));
    let ca = files.write("ca.pem", &authority.pem());
    let mut config = Config::default();
    config
        .tls_client
        .set_trust_store(ron_transport::tls::TrustStore::Path);
    config.tls_client.set_ca_bundle_path(Some(ca));

    let trusting = || Transport::builder().config(config.clone());
    events_of(trusting().name("public"), &files).await;
    let named = std::mem::take(&mut *log.0.lock().unwrap());
    events_of(trusting(), &files).await;
    let unnamed = std::mem::take(&mut *log.0.lock().unwrap());

    let kinds = |events: &[Fields]| {
        let mut kinds: Vec<_> = events.iter().map(|event| event["event"].clone()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let expected = [
        "accept",
        "certificate",
        "close",
        "dial",
        "handler",
        "handshake",
        "ready",
        "reject",
        "reload",
        "shutdown",
    ];
    assert_eq!(kinds(&named), expected);
    assert_eq!(kinds(&unnamed), expected);
    for event in &named {
        assert_eq!(
            event.get("transport").map(String::as_str),
            Some("public"),
            "{event:?}"
        );
    }
    for event in &unnamed {
        assert!(!event.contains_key("transport"), "{event:?}");
    }
}
