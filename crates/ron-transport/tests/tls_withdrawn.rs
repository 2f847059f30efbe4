//! Withdrawn trust applies although other files of the same reload are broken.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CertifiedIssuer, DnType, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use ron_transport::{
    echo, Config, Conn, Endpoint, ReloadError, TlsErrorKind, Transport, TransportError,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::Recorder;

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A service that asks for client certificates, a client that has one, and their files.
struct World {
    dir: TempDir,
    ca: Ca,
    service: Arc<Transport>,
    client: Transport,
    to: Endpoint,
}

/// The serial number of the client's certificate.
const CLIENT: u64 = 42;

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = authority("clients");
        put(&dir, "ca.pem", &ca.pem());
        put(&dir, "clients.crl", &crl(&ca, 2020, &[]));
        for (name, serial) in [("localhost", 1), ("client.example", CLIENT)] {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.serial_number = Some(SerialNumber::from(serial));
            let key = KeyPair::generate().unwrap();
            let cert = params.signed_by(&key, &ca).unwrap();
            put(&dir, &format!("{name}.pem"), &cert.pem());
            put(&dir, &format!("{name}.key"), &key.serialize_pem());
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

    /// Whether the client is served.
    async fn is_served(&self) -> bool {
        let Ok(mut conn) = self.client.dial(&self.to).await else {
            return false;
        };
        let sent = conn.write_all(b"x").await.is_ok() && conn.flush().await.is_ok();
        sent && conn.read_u8().await.is_ok()
    }

    /// A reload of the service that its broken files refuse.
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

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A CRL of this year with these serial numbers.
fn crl(ca: &Ca, year: i32, revoked: &[u64]) -> String {
    let revoked = revoked.iter().map(|&serial| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(year, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(year, 1, 1),
        next_update: date_time_ymd(2090, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(ca).unwrap().pem().unwrap()
}

/// Never half: the watch looks at the files too.
fn put(dir: &TempDir, name: &str, text: &str) {
    let next = dir.path().join("next");
    fs::write(&next, text).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, dir.path().join(name)).unwrap();
}

fn service(dir: &TempDir, settings: &[(&str, &str)]) -> Config {
    let path = |name: &str| dir.path().join(name);
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

fn client(dir: &TempDir) -> Config {
    let path = |name: &str| dir.path().join(name);
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
    put(&world.dir, "localhost.pem", "no certificate");
    let narrower = [("tls.allow_sans", "other.example"), ("max_conns", "7")];
    world.refused(&narrower, "tls cert read failed");
    assert!(!world.is_served().await);
    // Nothing else of it applied.
    assert_eq!(world.service.config().limits.max_conns(), 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn narrower_allow_list_beside_missing_file() {
    for key in ["tls.crl_path", "tls.client_ca_path", "tls.ticket_keys_path"] {
        let world = World::new().await;
        assert!(world.is_served().await);
        let missing = world.dir.path().join("missing");
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
    put(&world.dir, "localhost.key", "no key");
    put(&world.dir, "ca.pem", &authority("others").pem());
    world.refused(&[], "tls key read failed");
    assert!(!world.is_served().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_crl_applies_beside_a_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    put(&world.dir, "localhost.key", "no key");
    put(&world.dir, "clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    world.refused(&[], "tls key read failed");
    assert!(!world.is_served().await);
    put(&world.dir, "clients.crl", &crl(&world.ca, 2022, &[]));
    world.refused(&[], "tls key read failed");
    assert!(world.is_served().await, "the part that is in order applies");
}

/// The dialer's files do not hold up what the listener is to refuse.
#[tokio::test(flavor = "multi_thread")]
async fn listener_withdraws_beside_a_broken_dialer() {
    let world = World::new().await;
    world.service.prepare(world.to.scheme()).await.unwrap();
    assert!(world.is_served().await);
    put(&world.dir, "broken.pem", "no certificate");
    let broken = world.dir.path().join("broken.pem");
    put(&world.dir, "clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    let path = [("tls_client.ca_bundle_path", broken.to_str().unwrap())];
    world.refused(&path, "tls_client.ca_bundle_path");
    assert!(!world.is_served().await);
}

/// The other direction: the authority of a server is withdrawn from the dialer.
#[tokio::test(flavor = "multi_thread")]
async fn dialer_withdraws_beside_a_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    put(&world.dir, "client.example.pem", "no certificate");
    put(&world.dir, "trusted.pem", &authority("others").pem());
    let error = world.client.reload(world.client.config().as_ref().clone());
    assert!(matches!(error, Err(ReloadError::Files(_))), "{error:?}");
    let error: TransportError = world.client.dial(&world.to).await.unwrap_err();
    assert_eq!(error.tls_kind(), Some(TlsErrorKind::UnknownCa), "{error}");
}

/// Without any reload: the watch over the files finds it.
#[tokio::test(flavor = "multi_thread")]
async fn watch_applies_a_crl_beside_a_broken_pair() {
    let world = World::new().await;
    assert!(world.is_served().await);
    put(&world.dir, "localhost.key", "no key");
    put(&world.dir, "clients.crl", &crl(&world.ca, 2021, &[CLIENT]));
    let looking = async {
        while world.is_served().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, looking).await.unwrap();
}
