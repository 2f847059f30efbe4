//! Which client certificates are let in: names by their types, constraints, validity, purpose.

mod links;
mod names;

use transport_core::TlsErrorKind as Kind;
use transport_tls::{ClientAuth, LiveServerTls, PqMode};

use crate::maker::Ca;
use crate::pki::{self, Authority, Files, Leaf};
use crate::rig::{files, Rig};

/// What a listener with these entries must make of a certificate.
struct Case {
    name: &'static str,
    leaf: Leaf,
    want: Option<Kind>,
}

fn case(name: &'static str, leaf: Leaf, want: Option<Kind>) -> Case {
    Case { name, leaf, want }
}

/// The list that every case is judged by.
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

/// A listener that trusts one root for its clients.
struct Door {
    files: Files,
    server: LiveServerTls,
}

impl Door {
    fn new(root: &Ca) -> Self {
        let (files, _) = files();
        let mut config = files.mutual_config(ClientAuth::Required, &Authority::new());
        files.put("client-ca.pem", &root.pem());
        let allowed = ALLOWED.map(str::to_owned);
        config.set_allow_sans(allowed.to_vec()).unwrap();
        let server = pki::server(&config, PqMode::Off);
        Self { files, server }
    }

    /// Why the listener refuses this client; `None` if it lets it in.
    async fn judge(&self, leaf: &Leaf) -> Option<Kind> {
        let client = pki::client(&self.files.client_config_with(leaf), PqMode::Off);
        let (server, _client) = Rig::new(&self.server, &client).shake().await;
        server.err().map(|error| error.tls_kind().unwrap())
    }
}

async fn judge(root: &Ca, cases: Vec<Case>) {
    let door = Door::new(root);
    let mut wrong = Vec::new();
    for Case { name, leaf, want } in cases {
        eprintln!("{name}");
        let got = door.judge(&leaf).await;
        if got != want {
            wrong.push(format!("{name}: {got:?}, not {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
