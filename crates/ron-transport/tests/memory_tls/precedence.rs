//! A configuration from memory beside files, reloads and the file watch.

use std::sync::Arc;
use std::time::Duration;

use ron_transport::tls::{ClientAuth, PqMode, ServerTls, TlsConfig, TlsMaterial};
use ron_transport::{Config, Transport};
use transport_testkit::pki::PkiDir;
use transport_testkit::Recorder;

use crate::pki::{pair, MemoryPki};
use crate::{client, sans, Served};

/// A transport whose server side is from files.
async fn from_files(pki: &MemoryPki, dir: &PkiDir) -> Served {
    let recorder = Recorder::new();
    let builder = Transport::builder()
        .config(config(dir, "a"))
        .client_tls(client(pki, &[pki]))
        .observer(recorder.observer());
    Served::serve(Arc::new(builder.build().unwrap()), recorder).await
}

fn config(dir: &PkiDir, alpn: &str) -> Config {
    let loader = Config::loader()
        .flag("transport.backend", "tls")
        .flag("transport.bind_addr", "127.0.0.1:0")
        .flag("transport.tls.alpn", alpn)
        .flag("transport.tls.cert_path", dir.path("server.pem"))
        .flag("transport.tls.key_path", dir.path("server.key"));
    loader.load().unwrap().into_settings()
}

fn in_memory(pki: &MemoryPki, name: &str) -> ServerTls {
    let (chain, key) = pair(&pki.authority.leaf(&["localhost", name]));
    ServerTls::from_pair(chain, key, &TlsConfig::default(), PqMode::Off).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_outlives_reloads_and_changed_files() {
    let (pki, dir) = (MemoryPki::new(), PkiDir::new());
    let issue = |name| dir.write_pair("server", &pki.authority.leaf(&["localhost", name]));
    issue("file1.example");
    let served = from_files(&pki, &dir).await;
    let names = || async { sans(&served.try_dial().await.unwrap()).pop().unwrap() };
    assert_eq!(names().await, "file1.example");
    issue("file2.example");
    served.transport.reload(config(&dir, "b")).unwrap();
    assert_eq!(
        names().await,
        "file2.example",
        "files apply until a replacement"
    );

    let memory = in_memory(&pki, "memory1.example");
    served.transport.replace_server_tls(memory).unwrap();
    assert_eq!(names().await, "memory1.example");
    issue("file3.example");
    served.transport.reload(config(&dir, "a")).unwrap();
    assert_eq!(names().await, "memory1.example");
    dir.write_private("server.key", "broken");
    served.transport.reload(config(&dir, "b")).unwrap();
    // The watch checks the files every two seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(names().await, "memory1.example");
    let memory = in_memory(&pki, "memory2.example");
    served.transport.replace_server_tls(memory).unwrap();
    assert_eq!(names().await, "memory2.example");
    let taken = served.recorder.snapshot();
    assert!(taken.reloads.iter().all(|ok| *ok), "{:?}", taken.reloads);
}

#[tokio::test(flavor = "multi_thread")]
async fn replacement_before_listen_needs_no_files() {
    let (pki, dir) = (MemoryPki::new(), PkiDir::new());
    let recorder = Recorder::new();
    let builder = Transport::builder()
        .config(config(&dir, "a"))
        .client_tls(client(&pki, &[&pki]))
        .observer(recorder.observer());
    let transport = Arc::new(builder.build().unwrap());
    let memory = in_memory(&pki, "memory.example");
    let expiry = memory.not_after();
    transport.replace_server_tls(memory).unwrap();
    let served = Served::serve(transport, recorder).await;
    let conn = served.try_dial().await.unwrap();
    assert_eq!(sans(&conn), ["localhost", "memory.example"]);
    assert_eq!(served.recorder.snapshot().certificate_expiry, expiry);
}

/// CRLs are files: those of a value from memory are watched.
#[tokio::test(flavor = "multi_thread")]
async fn crl_file_of_memory_value_is_watched() {
    const SERIAL: u64 = 7;
    let (pki, dir) = (MemoryPki::new(), PkiDir::new());
    let write = |year, revoked: &[u64]| {
        let crl = pki.authority.crl((year, 2090), revoked);
        dir.write("clients.crl", &crl.pem);
    };
    write(2020, &[]);
    let mut config = TlsConfig::default();
    config
        .set_client_auth(ClientAuth::Required)
        .set_crl_path(vec![dir.path("clients.crl")])
        .unwrap();
    let (chain, key) = pki.issue("localhost");
    let material = TlsMaterial::new()
        .with_pair(chain, key)
        .with_authorities([pki.root()]);
    let server = ServerTls::from_material(material, &config, PqMode::Off).unwrap();
    let algorithm = &transport_testkit::pki::rcgen::PKCS_ECDSA_P256_SHA256;
    let leaf = pki
        .authority
        .leaf_with(&["client.example"], algorithm, |params| {
            params.serial_number = Some(SERIAL.into());
        });
    let (chain, key) = pair(&leaf);
    let material = TlsMaterial::new()
        .with_pair(chain, key)
        .with_authorities([pki.root()]);
    let own = ron_transport::tls::TlsClientConfig::default();
    let own = ron_transport::tls::ClientTls::from_material(material, &own, PqMode::Off).unwrap();
    let served = Served::start(server, own).await;
    assert!(served.try_dial().await.is_some());
    write(2021, &[SERIAL]);
    let refused = async {
        while served.try_dial().await.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .unwrap();
}

/// Reloads of files and replacements race; the replacement holds whatever came first.
#[tokio::test(flavor = "multi_thread")]
async fn replacement_wins_every_race_with_reloads() {
    for round in 0..20 {
        let (pki, dir) = (MemoryPki::new(), PkiDir::new());
        dir.write_pair(
            "server",
            &pki.authority.leaf(&["localhost", "file.example"]),
        );
        let served = from_files(&pki, &dir).await;
        dir.write_pair(
            "server",
            &pki.authority.leaf(&["localhost", "file.example"]),
        );
        let next = config(&dir, "b");
        let transport = Arc::clone(&served.transport);
        let reloading = tokio::task::spawn_blocking(move || transport.reload(next));
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let memory = in_memory(&pki, "memory.example");
        served.transport.replace_server_tls(memory).unwrap();
        reloading.await.unwrap().unwrap();
        let conn = served.try_dial().await.unwrap();
        assert_eq!(sans(&conn), ["localhost", "memory.example"], "{round}");
    }
}
