//! TLS: a server with certificate files, and a verifying client.

use std::time::Duration;

use ron_transport::tls::TrustStore;
use ron_transport::{echo, Config, Endpoint, KeyExchange, TlsErrorKind, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::pki::{Authority, PkiDir};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Certificates for this example, in a temporary directory.
    let (authority, files) = (Authority::new(), PkiDir::new());
    let ca = files.write("ca.pem", &authority.pem());
    files.write_pair("localhost", &authority.leaf(&["localhost"]));

    let server = Transport::builder()
        .bind_addr("127.0.0.1:0".parse()?)
        .tls_files(files.path("localhost.pem"), files.path("localhost.key"))
        .build()?;
    let addr = server.listen().await?.socket_addr().ok_or("no IP socket")?;

    let requests = async {
        let mut config = Config::default();
        config.tls_client.set_trust_store(TrustStore::Path);
        config.tls_client.set_ca_bundle_path(Some(ca));
        let client = Transport::builder().config(config).build()?;

        let to = Endpoint::tls("localhost", addr.port())?;
        let mut conn = client.dial(&to).await?;
        conn.write_all(b"hello").await?;
        conn.flush().await?;
        let mut answer = [0; 5];
        conn.read_exact(&mut answer).await?;
        let group = conn.info().kx.map(KeyExchange::as_str);
        println!("answer {:?}", String::from_utf8_lossy(&answer));
        println!("key exchange {}", group.unwrap_or("unknown"));
        drop(conn);

        // The certificate is for another name.
        let wrong = Endpoint::tls("127.0.0.1", addr.port())?;
        let Err(error) = client.dial(&wrong).await else {
            return Err("the client accepted another name".into());
        };
        assert_eq!(error.tls_kind(), Some(TlsErrorKind::WrongName));
        println!("refused: {error}");

        server.shutdown(Duration::from_secs(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (served, requested) = tokio::join!(server.serve(echo), requests);
    served?;
    requested
}
