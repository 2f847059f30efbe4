//! Puts TLS in front of a PostgreSQL server.
//!
//! A client asks for TLS in plaintext (`SSLRequest`), gets `S`, and starts its handshake on the
//! same connection. The example relays the decrypted bytes to the server, and refuses a client that
//! continues in plaintext.
//!
//! ```sh
//! RON_TRANSPORT_BIND_ADDR=0.0.0.0:5433 RON_TRANSPORT_TLS_CERT_PATH=tls.pem \
//! RON_TRANSPORT_TLS_KEY_PATH=tls.key \
//! cargo run --example postgres_starttls unix:///run/postgresql/.s.PGSQL.5432
//! ```

use std::sync::Arc;
use std::time::Duration;

use ron_transport::{
    relay, BoxError, Config, Conn, Endpoint, TlsUpgrade, Transport, TransportDialer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// `SSLRequest`, `GSSENCRequest`: the codes in place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// An `ErrorResponse` with severity, code and message.
const REFUSED: &[u8] = b"E\0\0\0\x36SFATAL\0C28000\0Mthis server needs sslmode=require\0\0";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let upstream: Endpoint = std::env::args().nth(1).ok_or("name the server")?.parse()?;
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    // Unusable files fail here, and not at the first client.
    transport.server_tls().await?;
    println!("listening on {}", transport.listen().await?);

    let (owner, dialer) = (Arc::downgrade(&transport), transport.dialer());
    let serving = transport.serve(move |conn| {
        let (owner, dialer, upstream) = (owner.clone(), dialer.clone(), upstream.clone());
        async move {
            let Some(transport) = owner.upgrade() else {
                return Ok(());
            };
            // For each connection, so that a renewed certificate applies.
            let tls = transport.server_tls().await?;
            drop(transport);
            forward(conn, TlsUpgrade::server(tls), &dialer, &upstream).await
        }
    });
    let drain = async {
        tokio::signal::ctrl_c().await?;
        let report = transport.shutdown(Duration::from_secs(5)).await;
        println!("aborted {}", report.aborted);
        Ok::<_, BoxError>(())
    };
    let (served, drained) = tokio::join!(serving, drain);
    served?;
    drained
}

/// Upgrades a client, and relays it to the server.
async fn forward(
    mut client: Conn,
    tls: TlsUpgrade,
    dialer: &TransportDialer,
    upstream: &Endpoint,
) -> Result<(), BoxError> {
    loop {
        // Exactly one request: bytes behind it belong to the handshake.
        client.control().expect_read(8);
        match (client.read_u32().await?, client.read_u32().await?) {
            (8, SSL_REQUEST) => break,
            // The client then asks for TLS on the same connection.
            (8, GSSENC_REQUEST) => client.write_all(b"N").await?,
            _ => return Ok(client.write_all(REFUSED).await?),
        }
    }
    client.write_all(b"S").await?;
    let client = client.upgrade_tls(tls).await?;
    println!("{:?}, {:?}", client.info().kx, client.info().identity);
    relay(client, dialer.dial(upstream.clone()).await?).await?;
    Ok(())
}
