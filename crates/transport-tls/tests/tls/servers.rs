//! The allow-list for servers, in addition to the verified server name.

use transport_core::TlsErrorKind as Kind;
use transport_tls::rustls::AlertDescription;
use transport_tls::{ClientTls, PqMode, TlsClientConfig};

use crate::pki::{self, Files, Leaf, SERVER};
use crate::raw_certificates::{constrain, dns, email, ip, uri, Ca};
use crate::rig::{failure, ping, HandshakeResult, Rig};

fn allow(config: &mut TlsClientConfig, entries: &[&str]) {
    let entries = entries.iter().map(|entry| (*entry).to_owned());
    config.set_allow_sans(entries.collect()).unwrap();
}

/// Dials with these entries allowed; server result first.
async fn dial(root: &Ca, leaf: &Leaf, entries: &[&str]) -> (HandshakeResult, HandshakeResult) {
    let files = Files::empty();
    files.put_pair(leaf);
    files.put("ca.pem", &root.pem());
    let mut config = files.client_config();
    allow(&mut config, entries);
    let client = pki::client(&config, PqMode::Off);
    let server = pki::server(&files.server_config(), PqMode::Off);
    Rig::new(&server, &client).handshake().await
}

#[tokio::test]
async fn server_is_allowed_by_any_of_its_names() {
    let root = Ca::root();
    let leaf = root.leaf(&[
        dns(SERVER),
        dns("*.wild.example"),
        uri("spiffe://td/db/1"),
        ip(&[192, 0, 2, 7]),
        email("ops@mail.example"),
    ]);
    for (entry, want) in [
        (SERVER, None),
        ("SERVER.example", None),
        ("*.wild.example", None),
        ("spiffe://td/db/*", None),
        ("spiffe://td/db/1", None),
        ("192.0.2.7", None),
        ("ops@mail.example", None),
        ("a.wild.example", Some(Kind::NotAllowed)),
        ("spiffe://td/db/2", Some(Kind::NotAllowed)),
        ("spiffe://td/web/*", Some(Kind::NotAllowed)),
        ("192.0.2.8", Some(Kind::NotAllowed)),
        ("other.example", Some(Kind::NotAllowed)),
    ] {
        let (_server, client) = dial(&root, &leaf, &["x.example", entry]).await;
        let got = client.err().and_then(|error| error.tls_kind());
        assert_eq!(got, want, "{entry}");
    }
}

#[tokio::test]
async fn refused_server_receives_alert() {
    let root = Ca::root();
    let leaf = root.leaf(&[dns(SERVER)]);
    let (server, client) = dial(&root, &leaf, &["spiffe://td/db/*"]).await;
    assert_eq!(
        failure(client),
        "the server's certificate has no name that tls_client.allow_sans lists"
    );
    let denied = u8::from(AlertDescription::AccessDenied);
    let alert = server.unwrap_err().tls_kind();
    assert_eq!(alert, Some(Kind::Alert(denied)));
}

/// The list never replaces the check of the target name.
///
/// It restricts servers in addition.
#[tokio::test]
async fn allowed_name_does_not_replace_the_target() {
    let root = Ca::root();
    let leaf = root.leaf(&[dns("other.example")]);
    let (_server, client) = dial(&root, &leaf, &["other.example"]).await;
    assert_eq!(client.unwrap_err().tls_kind(), Some(Kind::WrongName));
    let stranger = Ca::root().leaf(&[dns(SERVER)]);
    let (_server, client) = dial(&root, &stranger, &[SERVER]).await;
    assert_eq!(client.unwrap_err().tls_kind(), Some(Kind::UnknownCa));
}

#[tokio::test]
async fn name_constraint_applies_to_servers() {
    let root = Ca::root();
    let extension = constrain(&[dns(SERVER)], &[]);
    let lower = root.below(|params| params.custom_extensions.push(extension));
    let entries = ["admin.example"];
    let as_uri = lower.leaf(&[dns(SERVER), uri("admin.example")]);
    let (_server, client) = dial(&root, &as_uri, &entries).await;
    assert_eq!(client.unwrap_err().tls_kind(), Some(Kind::NotAllowed));
    let as_dns = lower.leaf(&[dns(SERVER), dns("admin.example")]);
    let (_server, client) = dial(&root, &as_dns, &entries).await;
    assert_eq!(client.unwrap_err().tls_kind(), Some(Kind::NameConstraint));
}

#[tokio::test]
async fn narrowed_list_applies_to_next_dial() {
    let root = Ca::root();
    let files = Files::empty();
    files.put_pair(&root.leaf(&[dns(SERVER), uri("spiffe://td/db/1")]));
    files.put("ca.pem", &root.pem());
    let mut config = files.client_config();
    allow(&mut config, &["spiffe://td/db/*"]);
    let client = pki::client(&config, PqMode::Off);
    let server = pki::server(&files.server_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    for resumed in [false, true] {
        let (mut ours, mut theirs) = rig.connect().await;
        ping(&mut ours, &mut theirs).await;
        assert_eq!(theirs.info.resumed, resumed);
    }
    allow(&mut config, &["spiffe://td/db/2"]);
    client.replace(ClientTls::load(&config, PqMode::Off).unwrap());
    let (_server, refused) = rig.handshake().await;
    assert_eq!(refused.unwrap_err().tls_kind(), Some(Kind::NotAllowed));
}
