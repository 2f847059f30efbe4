//! Listening transports over TCP, TLS and Unix sockets, and their clients.

use std::sync::Arc;

use ron_transport::{Conn, Endpoint, Transport, TransportError};
use transport_testkit::Recorder;

use crate::support::{addr, listening, Pki, UnixDir};

/// A listening transport, and a transport that dials it.
pub(crate) struct Over {
    pub(crate) transport: Arc<Transport>,
    pub(crate) recorder: Recorder,
    client: Transport,
    to: Endpoint,
    // Removed after the transports.
    _files: Box<dyn std::any::Any>,
}

impl Over {
    pub(crate) async fn tcp() -> Self {
        let (transport, recorder) = listening(&[]).await;
        Self {
            to: endpoint(&format!("tcp://{}", addr(&transport))),
            transport,
            recorder,
            client: Transport::builder().build().unwrap(),
            _files: Box::new(()),
        }
    }

    /// Over TLS; the client offers these protocols.
    pub(crate) async fn tls(alpn: &str) -> Self {
        let pki = Pki::new();
        let settings = pki.settings("off");
        let (transport, recorder) = listening(&borrowed(&settings)).await;
        Self {
            to: endpoint(&format!("tls://localhost:{}", addr(&transport).port())),
            transport,
            recorder,
            client: pki.client(alpn, false),
            _files: Box::new(pki),
        }
    }

    pub(crate) async fn unix() -> Self {
        let dir = UnixDir::new();
        let (transport, recorder) = listening(&borrowed(&dir.settings())).await;
        Self {
            to: Endpoint::unix(dir.path()),
            transport,
            recorder,
            client: Transport::builder().build().unwrap(),
            _files: Box::new(dir),
        }
    }

    pub(crate) async fn dial(&self) -> Result<Conn, TransportError> {
        self.client.dial(self.to.clone()).await
    }

    pub(crate) async fn connect(&self) -> Conn {
        self.dial().await.unwrap()
    }

    /// Waits until this many connections have been accepted.
    pub(crate) async fn accepted(&self, conns: u64) {
        let all = |s: &transport_testkit::Snapshot| s.accepts() == conns;
        self.recorder.wait_for("all accepts", all).await;
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.try_into().unwrap()
}

pub(crate) fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let borrowed = settings.iter().map(|(key, value)| (*key, value.as_str()));
    borrowed.collect()
}
