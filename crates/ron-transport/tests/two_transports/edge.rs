//! The two transports, and clients of both.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ron_transport::metrics::Prometheus;
use ron_transport::{echo, Config, Conn, Endpoint, Limiter, Limits, Transport, TransportBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

/// A TLS listener and a Unix socket with one limiter.
pub(crate) struct Edge {
    pub(crate) shared: Limiter,
    pub(crate) public: Arc<Transport>,
    pub(crate) private: Arc<Transport>,
    pub(crate) events: [Recorder; 2],
    pub(crate) prometheus: Prometheus,
    pub(crate) addr: SocketAddr,
    pub(crate) client: Transport,
    pub(crate) files: PkiDir,
    pub(crate) serving: Vec<JoinHandle<()>>,
}

impl Edge {
    pub(crate) async fn new(limits: Limits) -> Self {
        let (authority, files) = (Authority::new(), PkiDir::new());
        let ca = files.write("ca.pem", &authority.pem());
        files.write_pair("localhost", &authority.leaf(&["localhost"]));
        let dir = files.path("run");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        let shared = Limiter::builder().limits(limits).build().unwrap();
        let prometheus = Prometheus::new().unwrap();
        let events = [Recorder::new(), Recorder::new()];
        let named = |name: &str, events: &Recorder| {
            let builder = Transport::builder().name(name).limiter(&shared);
            let builder = builder.recorder(prometheus.recorder());
            builder.also_observe(events.observer())
        };
        let public = named("public", &events[0])
            .bind_addr("127.0.0.1:0".parse().unwrap())
            .tls_files(files.path("localhost.pem"), files.path("localhost.key"));
        let private = named("private", &events[1])
            .unix(dir.join("sock"))
            .allow_uids([rustix::process::getuid().as_raw()]);
        let build = |builder: TransportBuilder| Arc::new(builder.build().unwrap());
        let (public, private) = (build(public), build(private));
        let addr = public.listen().await.unwrap().socket_addr().unwrap();
        private.listen().await.unwrap();
        let mut trust = Config::default();
        trust
            .tls_client
            .set_trust_store(ron_transport::tls::TrustStore::Path);
        trust.tls_client.set_ca_bundle_path(Some(ca));
        let client = Transport::builder().config(trust);
        let client = client.observer(Recorder::new().observer()).build().unwrap();
        let mut edge = Self {
            shared,
            public,
            private,
            events,
            prometheus,
            addr,
            client,
            files,
            serving: Vec::new(),
        };
        for transport in [&edge.public, &edge.private] {
            let transport = Arc::clone(transport);
            edge.serving.push(tokio::spawn(async move {
                transport.serve(echoed).await.unwrap();
            }));
        }
        edge
    }

    /// Opens a TLS connection and exchanges a byte.
    pub(crate) async fn over_tls(&self) -> Option<Conn> {
        let to = Endpoint::tls("localhost", self.addr.port()).unwrap();
        let mut conn = self.client.dial(&to).await.ok()?;
        conn.write_all(b"x").await.ok()?;
        conn.flush().await.ok()?;
        (conn.read_u8().await.ok()? == b'x').then_some(conn)
    }

    /// Opens a connection to the Unix socket and exchanges a byte.
    pub(crate) async fn over_uds(&self) -> Option<UnixStream> {
        let path = self.files.path("run").join("sock");
        let mut stream = UnixStream::connect(path).await.ok()?;
        stream.write_all(b"x").await.ok()?;
        (stream.read_u8().await.ok()? == b'x').then_some(stream)
    }

    /// Returns the value of one series.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.prometheus.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let line = line.unwrap_or_else(|| panic!("no series {series} in\n{text}"));
        line.trim().parse().unwrap()
    }

    pub(crate) fn readiness(&self) -> [f64; 2] {
        ["public", "private"]
            .map(|name| self.metric(&format!("transport_readiness{{transport=\"{name}\"}}")))
    }
}

async fn echoed(conn: Conn) {
    drop(echo(conn).await);
}
