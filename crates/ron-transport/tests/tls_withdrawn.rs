//! Revocations apply even if other files of the same reload are broken.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::fs;
use std::sync::Arc;

use ron_transport::{
    echo, Config, Conn, Endpoint, ReloadError, TlsErrorKind, Transport, TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::pki::rcgen::PKCS_ECDSA_P256_SHA256;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

/// A service that requires client certificates, and a client.
///
/// The client has one. Their files are here too.
struct World {
    dir: PkiDir,
    ca: Authority,
    service: Arc<Transport>,
    client: Transport,
    to: Endpoint,
}

/// The serial number of the client's certificate.
const CLIENT: u64 = 42;

impl World {
    async fn new() -> Self {
        let dir = PkiDir::new();
        let ca = Authority::root("clients");
        dir.write_private("ca.pem", &ca.pem());
        dir.write_private("clients.crl", &crl(&ca, 2020, &[]));
        for (name, serial) in [("localhost", 1), ("client.example", CLIENT)] {
            let leaf = ca.leaf_with(&[name], &PKCS_ECDSA_P256_SHA256, |params| {
                params.serial_number = Some(serial.into());
            });
            dir.write_pair(name, &leaf);
        }
        let observed = |config| {
            let builder = Transport::builder().config(config);
            builder
                .observer(Recorder::new().observer())
                .build()
                .unwrap()
        };
        let service = Arc::new(observed(service(&dir, &[])));
        let addr = service.listen().await.unwrap().socket_addr().unwrap();
        let serving = Arc::clone(&service);
        tokio::spawn(async move {
            let handler = |conn: Conn| async move { drop(echo(conn).await) };
            serving.serve(handler).await
        });
        let to = format!("tls://localhost:{}", addr.port()).parse().unwrap();
        let client = observed(client(&dir));
        Self {
            dir,
            ca,
            service,
            client,
            to,
        }
    }

    /// Returns whether the service echoes a byte of the client.
    async fn is_served(&self) -> bool {
        let Ok(mut conn) = self.client.dial(&self.to).await else {
            return false;
        };
        let sent = conn.write_all(b"x").await.is_ok() && conn.flush().await.is_ok();
        sent && conn.read_u8().await.is_ok()
    }

    /// Asserts that a reload fails because of the service's broken files.
    fn refused(&self, settings: &[(&str, &str)], why: &str) {
        let error = self
            .service
            .reload(service(&self.dir, settings))
            .unwrap_err();
        assert!(
            matches!(&error, ReloadError::Files(said) if said.contains(why)),
            "{error}"
        );
    }
}

/// Returns a CRL of this year with these serial numbers.
fn crl(ca: &Authority, year: i32, revoked: &[u64]) -> String {
    ca.crl((year, 2090), revoked).pem
}

fn service(dir: &PkiDir, settings: &[(&str, &str)]) -> Config {
    let path = |name: &str| dir.path(name);
    let mut loader = Config::loader()
        .flag("transport.backend", "tls")
        .flag("transport.bind_addr", "127.0.0.1:0")
        .flag("transport.tls.cert_path", path("localhost.pem"))
        .flag("transport.tls.key_path", path("localhost.key"))
        .flag("transport.tls.client_auth", "required")
        .flag("transport.tls.client_ca_path", path("ca.pem"))
        .flag("transport.tls.crl_path", path("clients.crl"))
        .flag("transport.tls_client.trust_store", "path")
        .flag("transport.tls_client.ca_bundle_path", path("ca.pem"));
    for (key, value) in settings {
        loader = loader.flag(format!("transport.{key}"), *value);
    }
    loader.load().unwrap().into_settings()
}

fn client(dir: &PkiDir) -> Config {
    let path = |name: &str| dir.path(name);
    let loader = Config::loader()
        .flag("transport.tls_client.trust_store", "path")
        .flag("transport.tls_client.ca_bundle_path", path("trusted.pem"))
        .flag("transport.tls_client.cert_path", path("client.example.pem"))
        .flag("transport.tls_client.key_path", path("client.example.key"));
    fs::copy(path("ca.pem"), path("trusted.pem")).unwrap();
    loader.load().unwrap().into_settings()
}

#[tokio::test(flavor = "multi_thread")]
async fn narrower_allow_list_beside_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    world.dir.write_private("localhost.pem", "no certificate");
    let narrower = [("tls.allow_sans", "other.example"), ("max_conns", "7")];
    world.refused(&narrower, "tls cert read failed");
    assert!(!world.is_served().await);
    // No other setting of the reload applied.
    assert_eq!(world.service.config().limits.max_conns(), 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn narrower_allow_list_beside_missing_file() {
    for key in ["tls.crl_path", "tls.client_ca_path", "tls.ticket_keys_path"] {
        let world = World::new().await;
        assert!(world.is_served().await);
        let missing = world.dir.path("missing");
        let narrower = [
            ("tls.allow_sans", "other.example"),
            (key, missing.to_str().unwrap()),
        ];
        world.refused(&narrower, key);
        assert!(!world.is_served().await, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_authority_beside_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    world.dir.write_private("localhost.key", "no key");
    world
        .dir
        .write_private("ca.pem", &Authority::root("others").pem());
    world.refused(&[], "tls key read failed");
    assert!(!world.is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_crl_beside_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    world.dir.write_private("localhost.key", "no key");
    world
        .dir
        .write_private("clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    world.refused(&[], "tls key read failed");
    assert!(!world.is_served().await);
    world
        .dir
        .write_private("clients.crl", &crl(&world.ca, 2022, &[]));
    world.refused(&[], "tls key read failed");
    assert!(world.is_served().await, "the valid CRL applies");
}

/// A broken file of the dialer does not delay the listener's revocations.
#[tokio::test(flavor = "multi_thread")]
async fn listener_revokes_beside_broken_dialer() {
    let world = World::new().await;
    world.service.prepare(world.to.scheme()).await.unwrap();
    assert!(world.is_served().await);
    world.dir.write_private("broken.pem", "no certificate");
    let broken = world.dir.path("broken.pem");
    world
        .dir
        .write_private("clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    let path = [("tls_client.ca_bundle_path", broken.to_str().unwrap())];
    world.refused(&path, "tls_client.ca_bundle_path");
    assert!(!world.is_served().await);
}

/// The dialer no longer trusts the server's authority.
#[tokio::test(flavor = "multi_thread")]
async fn dialer_revokes_beside_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    world
        .dir
        .write_private("client.example.pem", "no certificate");
    world
        .dir
        .write_private("trusted.pem", &Authority::root("others").pem());
    let error = world.client.reload(world.client.config().as_ref().clone());
    assert!(matches!(error, Err(ReloadError::Files(_))), "{error:?}");
    let error: TransportError = world.client.dial(&world.to).await.unwrap_err();
    assert_eq!(error.tls_kind(), Some(TlsErrorKind::UnknownCa), "{error}");
}

/// The file watch applies the CRL without a reload.
#[tokio::test(flavor = "multi_thread")]
async fn file_watch_applies_crl_beside_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    world.dir.write_private("localhost.key", "no key");
    world
        .dir
        .write_private("clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    let looking = async {
        while world.is_served().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, looking).await.unwrap();
}
