//! TLS over a custom backend.

use std::sync::Arc;

use ron_transport::{
    echo, Backend, Config, Listener, PeerAddr, ReadyReason, ReadyState, Reason, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::{MemoryListener, Recorder, Snapshot};

use crate::AMPLE;

transport_testkit::both! {
    tls_runs_over_a_custom_backend
    broken_certificate_keeps_the_listener
}

pub(crate) struct Pki(PkiDir);

impl Pki {
    pub(crate) fn new() -> Self {
        let (dir, authority) = (PkiDir::new(), Authority::new());
        dir.write("ca.pem", &authority.pem());
        dir.write_pair("server", &authority.leaf(&["guest.example"]));
        Self(dir)
    }

    pub(crate) fn config(&self) -> Config {
        let loader = Config::loader()
            .flag("transport.backend", "tls")
            .flag("transport.tls.cert_path", self.0.file("server.pem"))
            .flag("transport.tls.key_path", self.0.file("server.key"))
            .flag("transport.tls_client.trust_store", "path")
            .flag("transport.tls_client.ca_bundle_path", self.0.file("ca.pem"))
            .flag("transport.tls_client.sni_override", "guest.example");
        loader.load().unwrap().into_settings()
    }
}

async fn tls_runs_over_a_custom_backend() {
    let pki = Pki::new();
    let (listener, raw) = MemoryListener::bind(Backend::Uds);
    assert_eq!(listener.backend(), Backend::Uds);
    let recorder = Recorder::new();
    let builder = Transport::builder()
        .raw_dialer("vsock", raw.from_peer(PeerAddr::Other(3)))
        .raw_listener("vsock", listener)
        .config(pki.config())
        .observer(recorder.observer());
    let transport = Arc::new(builder.build().unwrap());
    assert_eq!(transport.backend(), Backend::Tls);
    transport.listen().await.unwrap();
    let serving = tokio::spawn(Arc::clone(&transport).serve_owned(echo));
    let mut conn = transport.dial("tls+vsock://3:1").await.unwrap();
    assert_eq!(conn.info().backend, Backend::Tls);
    assert!(conn.info().kx.is_some());
    conn.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    // Without TLS the server's listener gets no valid handshake.
    let mut plain = transport.dial("vsock://3:1").await.unwrap();
    plain.write_all(b"not a handshake").await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    let is_counted = |s: &Snapshot| s.rejected(Reason::Tls) == 1;
    recorder.wait_for("handshake refused", is_counted).await;
    drop((conn, plain));
    transport.shutdown(AMPLE).await;
    serving.await.unwrap().unwrap();
}

/// An unusable certificate leaves the listener for another `listen`.
async fn broken_certificate_keeps_the_listener() {
    let pki = Pki::new();
    let config = pki.config();
    let whole = std::fs::read_to_string(pki.0.path("server.pem")).unwrap();
    pki.0.write("server.pem", "not a certificate");
    let (listener, _raw) = MemoryListener::bind(Backend::Uds);
    let builder = Transport::builder().raw_listener("vsock", listener);
    let transport = builder.config(config).build().unwrap();
    transport.listen().await.unwrap_err();
    let reason = ReadyReason::Tls;
    assert_eq!(
        *transport.readiness().borrow(),
        ReadyState::NotReady { reason }
    );
    pki.0.write("server.pem", &whole);
    transport.listen().await.unwrap();
    assert_eq!(*transport.readiness().borrow(), ReadyState::Ready);
}
