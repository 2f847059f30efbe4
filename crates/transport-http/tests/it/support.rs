//! Servers and raw clients for the tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ron_transport::{Config, Conn, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use transport_http::{serve_http, ServeOptions};
use transport_testkit::pki::{Authority, PkiDir};
use transport_testkit::Recorder;

use crate::app::app;
use crate::over::borrowed;

/// The `read_timeout` of the servers.
pub(crate) const READ: Duration = Duration::from_millis(300);
/// A deadline that no test should reach.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);

pub(crate) fn config(settings: &[(&str, &str)]) -> Config {
    let mut loader = Config::loader();
    for (key, value) in settings {
        loader = loader.flag(format!("transport.{key}"), *value);
    }
    loader.load().unwrap().into_settings()
}

/// Returns a transport that listens, over IP on a free port.
pub(crate) async fn listening(settings: &[(&str, &str)]) -> (Arc<Transport>, Recorder) {
    let mut all = vec![("read_timeout", "300ms")];
    if !settings.contains(&("backend", "uds")) {
        all.push(("bind_addr", "127.0.0.1:0"));
    }
    all.extend_from_slice(settings);
    let recorder = Recorder::new();
    let builder = Transport::builder().config(config(&all));
    let transport = builder.observer(recorder.observer()).build().unwrap();
    transport.listen().await.unwrap();
    (Arc::new(transport), recorder)
}

/// A transport that serves [`app`](crate::app::app) by [`serve_http`].
pub(crate) struct Server {
    pub(crate) transport: Arc<Transport>,
    pub(crate) recorder: Recorder,
    pub(crate) serving: JoinHandle<()>,
    arrived: Arc<Semaphore>,
}

impl Server {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let (transport, recorder) = listening(settings).await;
        let incoming = transport.incoming().unwrap();
        let options = ServeOptions::of(&transport);
        let arrived = Arc::new(Semaphore::new(0));
        let app = app(Arc::clone(&arrived));
        let serving = tokio::spawn(serve_http(incoming, app, options));
        Self {
            transport,
            recorder,
            serving,
            arrived,
        }
    }

    /// Waits until as many requests of `/sleep` have arrived.
    pub(crate) async fn arrived(&self, requests: u32) {
        let arrived = timeout(AMPLE, self.arrived.acquire_many(requests)).await;
        arrived.unwrap().unwrap().forget();
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        addr(&self.transport)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr()).await.unwrap()
    }
}

pub(crate) fn addr(transport: &Transport) -> SocketAddr {
    transport.local_addr().unwrap().socket_addr().unwrap()
}

/// Sends a GET request over HTTP/1.1.
///
/// Returns the head and the body of the response.
pub(crate) async fn get<S>(stream: &mut S, path: &str) -> (String, String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    response(stream).await
}

/// Reads a response that has a length.
pub(crate) async fn response<S: AsyncRead + Unpin>(stream: &mut S) -> (String, String) {
    let head = timeout(AMPLE, head(stream)).await.unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Reads the head of a response, in lower case.
pub(crate) async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

pub(crate) type Http2 = SendRequest<Full<Bytes>>;

/// Opens HTTP/2 on a stream, with prior knowledge.
pub(crate) async fn http2<S, B>(stream: S) -> SendRequest<B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: http_body::Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, conn) = handshake.await.unwrap();
    tokio::spawn(conn);
    sender
}

/// Sends a GET request over HTTP/2.
///
/// Returns the body of the response.
pub(crate) async fn get2(sender: &mut Http2, path: &str) -> Result<String, hyper::Error> {
    sender.ready().await?;
    let uri = format!("http://localhost{path}");
    let request = http::Request::get(uri).body(Full::default()).unwrap();
    let response = sender.send_request(request).await?;
    let body = Body::new(response.into_body()).collect().await;
    let body = body.map_err(axum::Error::into_inner);
    match body {
        Ok(body) => Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap()),
        Err(error) => Err(*error.downcast::<hyper::Error>().unwrap()),
    }
}

/// An authority with certificates of a server and of a client.
pub(crate) struct Pki {
    dir: PkiDir,
    authority: Authority,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (dir, authority) = (PkiDir::new(), Authority::new());
        dir.write("ca.pem", &authority.pem());
        dir.write_pair("localhost", &authority.leaf(&["localhost"]));
        dir.write_pair("client", &authority.leaf(&["client.example"]));
        Self { dir, authority }
    }

    /// Replaces the server's certificate by another of the same authority.
    pub(crate) fn rotate(&self, names: &[&str]) {
        let leaf = self.authority.leaf(names);
        self.dir.write_pair("localhost", &leaf);
    }

    fn file(&self, name: &str) -> String {
        self.dir.path(name).display().to_string()
    }

    /// Returns the settings of a server.
    pub(crate) fn settings(&self, client_auth: &str) -> Vec<(&'static str, String)> {
        let mut settings = vec![("backend", "tls".to_owned())];
        settings.push(("tls.cert_path", self.file("localhost.pem")));
        settings.push(("tls.key_path", self.file("localhost.key")));
        settings.push(("tls.alpn", "h2,http/1.1".to_owned()));
        if client_auth != "off" {
            settings.push(("tls.client_auth", client_auth.to_owned()));
            settings.push(("tls.client_ca_path", self.file("ca.pem")));
        }
        settings
    }

    pub(crate) async fn server(&self, client_auth: &str) -> Server {
        Server::start(&borrowed(&self.settings(client_auth))).await
    }

    /// Returns a client that offers these protocols.
    pub(crate) fn client(&self, alpn: &str, with_certificate: bool) -> Transport {
        let mut settings = vec![("tls_client.trust_store", "path".to_owned())];
        settings.push(("tls_client.ca_bundle_path", self.file("ca.pem")));
        if !alpn.is_empty() {
            settings.push(("tls_client.alpn", alpn.to_owned()));
        }
        if with_certificate {
            settings.push(("tls_client.cert_path", self.file("client.pem")));
            settings.push(("tls_client.key_path", self.file("client.key")));
        }
        Transport::builder()
            .config(config(&borrowed(&settings)))
            .build()
            .unwrap()
    }

    pub(crate) async fn dial(&self, server: &Server, alpn: &str, cert: bool) -> Conn {
        let to = format!("tls://localhost:{}", server.addr().port());
        // Dropping a transport cancels its connections.
        let client = Box::leak(Box::new(self.client(alpn, cert)));
        client.dial(to).await.unwrap()
    }
}

/// A directory for a Unix socket, and a server's settings.
pub(crate) struct UnixDir(tempfile::TempDir);

impl UnixDir {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("sock")
    }

    /// Returns the settings of a server.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        use std::os::unix::fs::MetadataExt;
        let uid = std::fs::metadata(self.0.path()).unwrap().uid();
        vec![
            ("backend", "uds".to_owned()),
            ("uds.path", self.path().display().to_string()),
            ("uds.allow_uids", uid.to_string()),
        ]
    }

    pub(crate) async fn server(&self) -> Server {
        Server::start(&borrowed(&self.settings())).await
    }
}
