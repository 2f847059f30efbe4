//! Two transports in one process: public TLS, and a private Unix socket.
//!
//! They share one limiter. Each has a name, readiness and metrics of its own.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use ron_transport::metrics::Prometheus;
use ron_transport::tls::TrustStore;
use ron_transport::{echo, Config, Conn, Deadlines, Endpoint, Limiter, Limits, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::pki::{Authority, PkiDir};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Certificates for this example, in a temporary directory.
    let (authority, files) = (Authority::new(), PkiDir::new());
    let ca = files.write("ca.pem", &authority.pem());
    files.write_pair("localhost", &authority.leaf(&["localhost"]));
    // The library refuses a directory in which other users can replace the socket.
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700))?;
    let own_uid = std::fs::metadata(dir.path())?.uid();
    let path = dir.path().join("sock");

    // The limiter owns the ceilings: both transports together have two connections.
    let ceilings = Limits::new()
        .with_max_conns(2)?
        .with_memory_bytes(64 << 20)?;
    let shared = Limiter::builder().limits(ceilings).build()?;
    let prometheus = Prometheus::new()?;

    // Deadlines are each transport's own.
    let patient = Deadlines::default().with_idle(Duration::from_secs(600));
    let public = Transport::builder()
        .name("public")
        .limiter(&shared)
        .recorder(prometheus.recorder())
        .bind_addr("127.0.0.1:0".parse()?)
        .tls_files(files.path("localhost.pem"), files.path("localhost.key"))
        .build()?;
    let private = Transport::builder()
        .name("private")
        .limiter(&shared)
        .recorder(prometheus.recorder())
        .limits(Limits::new().with_deadlines(patient)?)
        .unix(&path)
        .allow_uids([own_uid])
        .build()?;
    let addr = public.listen().await?.socket_addr().ok_or("no IP socket")?;
    private.listen().await?;

    let requests = async {
        let mut trust = Config::default();
        trust.tls_client.set_trust_store(TrustStore::Path);
        trust.tls_client.set_ca_bundle_path(Some(ca));
        let client = Transport::builder().config(trust).build()?;
        let tls = Endpoint::tls("localhost", addr.port())?;

        let mut over_tls = client.dial(&tls).await?;
        hello(&mut over_tls).await?;
        let mut over_uds = client.dial(Endpoint::unix(&path)).await?;
        hello(&mut over_uds).await?;
        // Each listener refuses the third connection.
        let mut third = client.dial(Endpoint::unix(&path)).await?;
        assert!(hello(&mut third).await.is_err());
        assert!(client.dial(&tls).await.is_err());
        println!("open {}", shared.admitted());

        // The owner of the limiter changes the ceilings of both.
        shared.apply(&Limits::new().with_max_conns(1000)?)?;
        println!("max_conns {}", private.config().limits.max_conns());

        // One transport ends; the other continues.
        drop(over_tls);
        let report = public.shutdown(Duration::from_secs(5)).await;
        assert_eq!(report.aborted, 0);
        println!("public {}", *public.readiness().borrow());
        println!("private {}", *private.readiness().borrow());
        hello(&mut over_uds).await?;
        drop((over_uds, third));
        private.shutdown(Duration::from_secs(5)).await;
        assert_eq!(shared.admitted(), 0);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (public, private, requested) =
        tokio::join!(public.serve(echo), private.serve(echo), requests);
    public?;
    private?;
    requested?;

    for line in prometheus.render().lines() {
        if line.contains("conn_limit") {
            println!("{line}");
        }
    }
    Ok(())
}

async fn hello(conn: &mut Conn) -> std::io::Result<()> {
    conn.write_all(b"hello").await?;
    conn.flush().await?;
    conn.read_exact(&mut [0; 5]).await?;
    Ok(())
}
