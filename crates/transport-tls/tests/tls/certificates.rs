//! Acceptance of client certificates: name types, constraints, validity, purpose.

mod links;
mod names;

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use transport_core::{Dialer, Listener, Pending, TlsErrorKind as Kind};
use transport_tls::rustls::pki_types::ServerName;
use transport_tls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use transport_tls::rustls::version::TLS13;
use transport_tls::rustls::{ClientConfig, RootCertStore};
use transport_tls::{ClientAuth, PqMode};

use crate::pki::{self, Authority, Leaf, SERVER};
use crate::raw_certificates::Ca;
use crate::rig::{files, target, Rig};

/// A client certificate with the expected error.
struct Case {
    name: &'static str,
    leaf: Leaf,
    want: Option<Kind>,
}

fn case(name: &'static str, leaf: Leaf, want: Option<Kind>) -> Case {
    Case { name, leaf, want }
}

/// The allow-list of every case.
const ALLOWED: [&str; 9] = [
    "admin.example",
    "*.wild.example",
    "192.0.2.7",
    "2001:db8::7",
    "spiffe://td/admin",
    "spiffe://td/pay/*",
    "urn:example:Admin",
    "Ann@mail.example",
    "xn--bcher-kva.example",
];

/// A listener that trusts one root for client certificates.
struct ClientAuthListener {
    rig: Rig,
    roots: RootCertStore,
}

impl ClientAuthListener {
    fn new(root: &Ca) -> Self {
        let (files, authority) = files();
        let mut config = files.mutual_config(ClientAuth::Required, &Authority::new());
        files.put("client-ca.pem", &root.pem());
        let allowed = ALLOWED.map(str::to_owned);
        config.set_allow_sans(allowed.to_vec()).unwrap();
        let server = pki::server(&config, PqMode::Off);
        let client = pki::client(&files.client_config(), PqMode::Off);
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().to_vec().into()).unwrap();
        Self {
            rig: Rig::new(&server, &client),
            roots,
        }
    }

    /// Returns the listener's error for this client; `None` if it is accepted.
    ///
    /// The client is plain rustls, because our dialer refuses to load some of these certificates.
    async fn judge(&mut self, leaf: &Leaf) -> Option<Kind> {
        let pair = CertifiedKey::new(pki::ders(leaf), pki::signing_key(leaf));
        let config = ClientConfig::builder_with_protocol_versions(&[&TLS13])
            .with_root_certificates(self.roots.clone())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        let Rig {
            listener, plain, ..
        } = &mut self.rig;
        let accept = async { listener.accept().await?.establish().await };
        let dial = async {
            let io = plain.dial(&target()).await.unwrap().io;
            let name = ServerName::try_from(SERVER).unwrap();
            TlsConnector::from(Arc::new(config)).connect(name, io).await
        };
        let (server, _client) = tokio::join!(accept, dial);
        server.err().map(|error| error.tls_kind().unwrap())
    }
}

async fn judge(root: &Ca, cases: Vec<Case>) {
    let mut door = ClientAuthListener::new(root);
    let mut wrong = Vec::new();
    for Case { name, leaf, want } in cases {
        let got = door.judge(&leaf).await;
        if got != want {
            wrong.push(format!("{name}: {got:?}, not {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
