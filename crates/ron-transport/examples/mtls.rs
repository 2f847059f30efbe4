//! Mutual TLS: the server requires a client certificate.
//!
//! It sees the client's names.

use std::time::Duration;

use ron_transport::tls::{ClientAuth, TrustStore};
use ron_transport::{Config, Conn, Endpoint, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::pki::{Authority, PkiDir};

/// Answers with the names of the client's certificate.
async fn greet(mut conn: Conn) -> std::io::Result<()> {
    let names = format!("{:?}", conn.info().identity.names());
    conn.write_all(names.as_bytes()).await?;
    conn.shutdown().await
}

/// Returns a client with the certificate of this name.
///
/// `None` is a client without a certificate.
fn client(files: &PkiDir, name: Option<&str>) -> Result<Transport, TransportError> {
    let mut config = Config::default();
    config.tls_client.set_trust_store(TrustStore::Path);
    config
        .tls_client
        .set_ca_bundle_path(Some(files.path("ca.pem")));
    if let Some(name) = name {
        let file = |ending: &str| Some(files.path(&format!("{name}.{ending}")));
        config.tls_client.set_cert_path(file("pem"));
        config.tls_client.set_key_path(file("key"));
    }
    Transport::builder().config(config).build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Certificates for this example, in a temporary directory.
    let (authority, files) = (Authority::new(), PkiDir::new());
    files.write("ca.pem", &authority.pem());
    for name in ["localhost", "client.example", "other.example"] {
        files.write_pair(name, &authority.leaf(&[name]));
    }

    let mut config = Config::default();
    config.tls.set_client_auth(ClientAuth::Required);
    config.tls.set_client_ca_path(Some(files.path("ca.pem")));
    config
        .tls
        .set_allow_sans(vec!["client.example".to_owned()])?;
    let server = Transport::builder()
        .config(config)
        .bind_addr("127.0.0.1:0".parse()?)
        .tls_files(files.path("localhost.pem"), files.path("localhost.key"))
        .build()?;
    let addr = server.listen().await?.socket_addr().ok_or("no IP socket")?;

    let requests = async {
        let to = Endpoint::tls("localhost", addr.port())?;

        let known = client(&files, Some("client.example"))?;
        let mut answer = String::new();
        let mut conn = known.dial(&to).await?;
        conn.read_to_string(&mut answer).await?;
        assert_eq!(answer, "[DnsName(\"client.example\")]");
        println!("client.example: {answer}");

        // In TLS 1.3 the client's handshake ends before the server has checked its certificate, so
        // the first read reports the refusal.
        for name in [None, Some("other.example")] {
            let refused = match client(&files, name)?.dial(&to).await {
                Ok(mut conn) => conn.read(&mut [0; 64]).await.is_err(),
                Err(_) => true,
            };
            let name = name.unwrap_or("no certificate");
            assert!(refused, "{name}");
            println!("{name}: refused");
        }
        server.shutdown(Duration::from_secs(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (served, requested) = tokio::join!(server.serve(greet), requests);
    served?;
    requested
}
