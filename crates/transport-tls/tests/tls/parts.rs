//! Identities from files, clones, made certificates, debug text.

use std::fmt::Debug;

use transport_core::{Dialer, Listener, PeerIdentity, Pending, TlsErrorKind};
use transport_tls::rustls::pki_types::pem::PemObject;
use transport_tls::rustls::pki_types::PrivateKeyDer;
use transport_tls::{
    ClientAuth, ClientIdentity, ClientOptions, PqMode, TlsClientConfig, TlsConfig, TlsMaterial,
};

use crate::pki::{self, set_mode, Authority, SERVER};
use crate::rig::{failure, files, message, ping, target, Rig};

const CLIENT: &str = "client.example";

#[tokio::test]
async fn identity_from_files_is_proved() {
    let (files, authority) = files();
    let config = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&config, PqMode::Off);
    let leaf = authority.leaf(&[CLIENT]);
    let cert = files.put("tenant.pem", &leaf.cert);
    let key = files.put_key("tenant.key", &leaf.key_pem());
    let mut rig = Rig::new(&server, &pki::client(&files.client_config(), PqMode::Off));
    let (refused, _) = rig.handshake().await;
    failure(refused);
    let identity = ClientIdentity::load(&cert, &key).unwrap();
    let options = ClientOptions::new().with_identity(identity);
    rig.dialer = rig.dialer.with_options(options).unwrap();
    let (mut ours, mut theirs) = rig.connect().await;
    ping(&mut ours, &mut theirs).await;
    let PeerIdentity::Verified(who) = &ours.info.identity else {
        panic!("{:?}", ours.info.identity);
    };
    assert_eq!(who.sans, [CLIENT]);
}

#[test]
fn unusable_identity_names_its_part() {
    let (files, authority) = files();
    let leaf = authority.leaf(&[CLIENT]);
    let cert = files.put("tenant.pem", &leaf.cert);
    let key = files.put_key("tenant.key", &leaf.key_pem());
    let missing = ClientIdentity::load(&files.path("none.pem"), &key).unwrap_err();
    assert!(
        message(&missing).contains("client certificate"),
        "{missing}"
    );
    let other = files.put_key("other.key", &authority.leaf(&[CLIENT]).key_pem());
    let mismatch = ClientIdentity::load(&cert, &other).unwrap_err();
    assert!(message(&mismatch).contains("client key"), "{mismatch}");
    set_mode(&key, 0o644);
    let readable = ClientIdentity::load(&cert, &key).unwrap_err();
    assert!(message(&readable).contains("client key"), "{readable}");
}

/// A clone dials with the configuration that the original replaces.
#[tokio::test]
async fn cloned_dialer_shares_live_configuration() {
    let (files, _) = files();
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let clone = rig.dialer.clone();
    let _ = clone.get_ref();
    let to = target();
    let accept = async { rig.listener.accept().await?.establish().await };
    let (_, dialed) = tokio::join!(accept, clone.dial(&to));
    dialed.unwrap();
    files.put("ca.pem", &Authority::new().pem());
    let next = pki::client(&files.client_config(), PqMode::Off);
    rig.dialer.live().replace(next.get());
    let accept = async { rig.listener.accept().await?.establish().await };
    let (_, dialed) = tokio::join!(accept, clone.dial(&to));
    let refused = dialed.map(drop).unwrap_err();
    // The other authority has the same name and another key.
    let kind = Some(TlsErrorKind::BadCertificate);
    assert_eq!(refused.tls_kind(), kind, "{refused}");
}

#[cfg(feature = "dev")]
#[tokio::test]
async fn made_certificate_is_trusted_by_its_client() {
    use transport_core::{Backend, Target};
    use transport_testkit::MemoryListener;
    use transport_tls::dev::DevCertificate;
    use transport_tls::Reloadable;

    let dev = DevCertificate::new("test authority").unwrap();
    let server = dev.server_tls(&TlsConfig::default(), PqMode::Hybrid);
    let client = dev.client_tls(&TlsClientConfig::default(), PqMode::Hybrid);
    let (server, client) = (
        Reloadable::new(server.unwrap()),
        Reloadable::new(client.unwrap()),
    );
    assert_eq!(client.get().pq_mode(), PqMode::Hybrid);
    assert_eq!(server.get().pq_mode(), PqMode::Hybrid);
    let mut rig = Rig::over(MemoryListener::bind(Backend::Tcp), &server, &client);
    for (host, trusted) in [("localhost", true), (SERVER, false)] {
        let to = Target::host(host, 443).unwrap();
        let accept = async { rig.listener.accept().await?.establish().await };
        let (_, dialed) = tokio::join!(accept, rig.dialer.dial(&to));
        assert_eq!(dialed.is_ok(), trusted, "{host}");
    }
}

/// Returns the debug text, which begins with the name of the type.
fn text(name: &str, value: &impl Debug) -> String {
    let text = format!("{value:?}");
    assert!(text.starts_with(name), "{text}");
    text
}

#[tokio::test]
async fn debug_text_holds_no_key() {
    let (files, authority) = files();
    let leaf = authority.leaf(&[SERVER]);
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
    let secret = format!("{:?}", key.secret_der());
    let part = secret[secret.len() - 200..secret.len() - 1].to_owned();
    let identity = ClientIdentity::new(pki::ders(&leaf), key.clone_key()).unwrap();
    let material = TlsMaterial::new().with_pair(pki::ders(&leaf), key);
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config_with(&leaf), PqMode::Off);
    let mut texts = vec![
        text("ClientIdentity", &identity),
        text("TlsMaterial", &material),
        text("ServerTls", &*server.get()),
        text("ClientTls", &*client.get()),
    ];
    let mut rig = Rig::new(&server, &client);
    texts.push(text("TlsListener", &rig.listener));
    texts.push(text("TlsDialer", &rig.dialer));
    let to = target();
    let accept = async {
        let pending = rig.listener.accept().await.unwrap();
        let text = text("TlsPending", &pending);
        (text, pending.establish().await)
    };
    let ((pending, accepted), dialed) = tokio::join!(accept, rig.dialer.dial(&to));
    dialed.unwrap();
    texts.extend([pending, text("TlsIo", &accepted.unwrap().io)]);
    for text in texts {
        assert!(!text.contains(&part), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    assert!(rig.listener.live().get().not_after().is_some());
}
