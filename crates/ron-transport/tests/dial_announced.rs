//! Dials that announce a client with a PROXY header.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::time::Duration;

use ron_transport::tcp::raw::{TcpDialer, TcpIo};
use ron_transport::{
    Backend, ConnInfo, Connection, DialOptions, Dialer, Op, PeerAddr, Target, Transport,
    TransportError,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use transport_testkit::Recorder;

const LIMIT: Duration = Duration::from_millis(200);
const LINE: &str = "PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\n";

/// Dials one address, whatever the target says.
struct ToPort(u16);

impl Dialer for ToPort {
    type Io = TcpIo;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn dial(&self, _: &Target) -> Result<Connection<TcpIo>, TransportError> {
        let target = Target::host("127.0.0.1", self.0).unwrap();
        TcpDialer::default().dial(&target).await
    }
}

struct Rig {
    server: TcpListener,
    transport: Transport,
    recorder: Recorder,
    port: u16,
}

impl Rig {
    async fn new(send: &str) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let recorder = Recorder::new();
        let loaded = ron_transport::Config::loader()
            .toml_str(format!("[transport]\nproxy.send = '{send}'\n"), "t")
            .load();
        let transport = Transport::builder()
            .config(loaded.unwrap().into_settings())
            .raw_dialer("own", ToPort(port))
            .observer(recorder.observer())
            .build()
            .unwrap();
        Self {
            server,
            transport,
            recorder,
            port,
        }
    }

    fn target(&self, scheme: &str) -> String {
        match scheme {
            "own" | "tls+own" => format!("{scheme}://any"),
            _ => format!("{scheme}://127.0.0.1:{}", self.port),
        }
    }
}

fn client() -> ConnInfo {
    let peer = PeerAddr::Ip("192.0.2.1:5000".parse().unwrap());
    let mut info = ConnInfo::new(Backend::Tcp, Some(peer));
    info.local = Some("192.0.2.9:443".parse().unwrap());
    info
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_scheme_announces_client() {
    let rig = Rig::new("v1").await;
    for scheme in ["tcp", "own"] {
        let conn = rig.transport.dial_for(rig.target(scheme), &client()).await;
        drop(conn.unwrap());
        let (mut stream, _) = rig.server.accept().await.unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, LINE, "{scheme}");
    }
}

/// The server receives the header and a ClientHello, and sends nothing.
#[tokio::test]
async fn silent_target_ends_at_its_deadline() {
    let rig = Rig::new("v1").await;
    let options = DialOptions::new()
        .with_timeout(LIMIT)
        .with_client(&client())
        .with_server_name("localhost");
    for scheme in ["tls", "tls+own"] {
        let error = rig.transport.dial_with(rig.target(scheme), &options).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, TransportError::Timeout { op: Op::Dial }),
            "{scheme}: {error}"
        );
        let (mut stream, _) = rig.server.accept().await.unwrap();
        let mut received = Vec::new();
        // The end may be a reset.
        let _ = stream.read_to_end(&mut received).await;
        let hello = received.strip_prefix(LINE.as_bytes()).unwrap();
        assert_eq!(hello[0], 0x16, "a TLS record follows the header");
    }
    let dials = rig.recorder.snapshot();
    assert_eq!(dials.all_rejected(), 2);
}

#[tokio::test]
async fn header_follows_the_setting() {
    let rig = Rig::new("off").await;
    let options = DialOptions::new().with_client(&client());
    for scheme in ["tcp", "own"] {
        let conn = rig.transport.dial_with(rig.target(scheme), &options).await;
        drop(conn.unwrap());
        let (mut stream, _) = rig.server.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0, "{scheme}");
    }
}
