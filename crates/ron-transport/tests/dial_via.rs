//! Dials through SOCKS5 and HTTP proxies.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

#[cfg(feature = "tls")]
#[path = "memory_tls/pki.rs"]
mod pki;

use std::net::SocketAddr;
use std::time::Duration;

use ron_transport::{
    Backend, Config, ConnInfo, DialOptions, Op, PeerAddr, Transport, TransportError, ViaErrorKind,
    ViaProxy,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use transport_testkit::Recorder;

const LIMIT: Duration = Duration::from_millis(200);
/// A name without an address: only a proxy can connect to it.
const NAME: &str = "db.invalid";
const HEAD: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy of one connection.
struct Proxy {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Proxy {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self { listener, addr }
    }

    /// Writes each answer after its question, then serves the target.
    fn serve(self, script: Vec<(Vec<u8>, Vec<u8>)>) -> JoinHandle<(TcpStream, SocketAddr)> {
        tokio::spawn(async move {
            let (mut stream, from) = self.listener.accept().await.unwrap();
            for (question, answer) in script {
                let mut read = vec![0; question.len()];
                stream.read_exact(&mut read).await.unwrap();
                assert_eq!(read, question);
                stream.write_all(&answer).await.unwrap();
            }
            (stream, from)
        })
    }
}

fn socks_request() -> Vec<u8> {
    let mut request = vec![5, 1, 0, 3, u8::try_from(NAME.len()).unwrap()];
    request.extend(NAME.as_bytes());
    request.extend(5432_u16.to_be_bytes());
    request
}

/// A SOCKS5 dialogue with a password and the target's first bytes.
fn socks_script(first: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let reply = [&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], first].concat();
    vec![
        (vec![5, 2, 0, 2], vec![5, 2]),
        (b"\x01\x02me\x03key".to_vec(), vec![1, 0]),
        (socks_request(), reply),
    ]
}

fn http_script(first: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    // The base64 of `me:key`.
    let request = format!(
        "CONNECT {NAME}:5432 HTTP/1.1\r\nHost: {NAME}:5432\r\n\
         Proxy-Authorization: Basic bWU6a2V5\r\n\r\n"
    );
    vec![(request.into_bytes(), [HEAD.as_bytes(), first].concat())]
}

fn via(scheme: &str, proxy: &Proxy) -> ViaProxy {
    format!("{scheme}://me:key@{}", proxy.addr).parse().unwrap()
}

fn transport(lines: &str, recorder: &Recorder) -> Transport {
    let text = format!("[transport]\n{lines}\n");
    let loaded = Config::loader().toml_str(text, "t").load().unwrap();
    Transport::builder()
        .config(loaded.into_settings())
        .observer(recorder.observer())
        .build()
        .unwrap()
}

fn plain() -> Transport {
    transport("", &Recorder::new())
}

type Scripted = fn(&[u8]) -> Vec<(Vec<u8>, Vec<u8>)>;
const PROXIES: [(&str, Scripted); 2] = [("socks5h", socks_script), ("http", http_script)];

#[tokio::test(flavor = "multi_thread")]
async fn name_is_resolved_by_the_proxy() {
    let transport = plain();
    for (scheme, script) in PROXIES {
        let proxy = Proxy::new().await;
        let options = DialOptions::new().with_via(via(scheme, &proxy));
        let serving = proxy.serve(script(b""));
        let to = format!("tcp://{NAME}:5432");
        let mut conn = transport.dial_with(&*to, &options).await.unwrap();
        let (mut stream, from) = serving.await.unwrap();
        assert_eq!(conn.info().local, Some(from), "{scheme}");
        conn.write_all(b"question").await.unwrap();
        let mut read = [0; 8];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"question");
    }
}

/// The greeting of the target arrives in the segment of the reply.
#[tokio::test]
async fn first_bytes_of_target_reach_the_caller() {
    let transport = plain();
    for (scheme, script) in PROXIES {
        let proxy = Proxy::new().await;
        let options = DialOptions::new().with_via(via(scheme, &proxy));
        let greeting = "220 mail.example\r\n".repeat(100);
        let serving = proxy.serve(script(greeting.as_bytes()));
        let to = format!("tcp://{NAME}:5432");
        let mut conn = transport.dial_with(&*to, &options).await.unwrap();
        drop(serving.await.unwrap());
        let mut read = String::new();
        conn.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, greeting, "{scheme}");
    }
}

#[tokio::test]
async fn setting_has_source_address_and_header() {
    let proxy = Proxy::new().await;
    let lines = format!(
        "dial.via = 'http://me:key@{}'\ndial.source_addr = '127.0.0.2'\nproxy.send = 'v1'",
        proxy.addr
    );
    let transport = transport(&lines, &Recorder::new());
    let serving = proxy.serve(http_script(b""));
    let peer = PeerAddr::Ip("192.0.2.1:5000".parse().unwrap());
    let mut client = ConnInfo::new(Backend::Tcp, Some(peer));
    client.local = Some("192.0.2.9:443".parse().unwrap());
    let to = format!("tcp://{NAME}:5432");
    let mut conn = transport.dial_for(&*to, &client).await.unwrap();
    let (mut stream, from) = serving.await.unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.2");
    conn.write_all(b"first").await.unwrap();
    conn.shutdown().await.unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\nfirst");
}

#[tokio::test]
async fn wrong_replies_are_counted_failures() {
    use ViaErrorKind::{Auth, Ended, Malformed, Refused};
    let recorder = Recorder::new();
    let transport = transport("", &recorder);
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(9000));
    let cases: &[(&str, &[u8], ViaErrorKind)] = &[
        (
            "http",
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Auth,
        ),
        ("http", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Refused),
        ("http", b"SSH-2.0-x\r\n", Malformed),
        ("http", long.as_bytes(), Malformed),
        ("http", b"HTTP/1.1 200 OK\r\n", Ended),
        ("socks5", &[5, 0xff], Auth),
        ("socks5", &[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0], Refused),
        ("socks5", b"HTTP/1.1 400\r\n", Malformed),
        ("socks5", &[5, 0, 5], Ended),
    ];
    for (count, (scheme, reply, kind)) in cases.iter().enumerate() {
        let proxy = Proxy::new().await;
        let options = DialOptions::new().with_via(via(scheme, &proxy));
        // Any question; the answer ends the dialogue.
        let serving = proxy.serve(vec![(Vec::new(), reply.to_vec())]);
        let ending = tokio::spawn(async move {
            let (mut stream, _) = serving.await.unwrap();
            // The client may have reset the connection.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let to = format!("tcp://{NAME}:5432");
        let error = transport.dial_with(&*to, &options).await.unwrap_err();
        assert_eq!(error.via_kind(), Some(*kind), "{error}");
        assert!(!error.to_string().contains("key"), "{error}");
        let seen = recorder.snapshot();
        assert_eq!(seen.dials(false), u64::try_from(count).unwrap() + 1);
        assert_eq!((seen.dials(true), seen.all_rejected()), (0, 0));
        ending.await.unwrap();
    }
}

/// A stall after the connect, inside the reply and in TLS.
#[tokio::test]
async fn one_deadline_covers_the_negotiation() {
    let transport = plain();
    let partial = vec![(Vec::new(), b"HTTP/1.1 200 OK\r\nA: b".to_vec())];
    let cases = [
        ("http", "tcp", Vec::new()),
        ("socks5", "tcp", Vec::new()),
        ("http", "tcp", partial),
        ("socks5", "tcp", vec![(vec![5, 2, 0, 2], vec![5])]),
        #[cfg(feature = "tls")]
        ("socks5", "tls", socks_script(b"")),
        #[cfg(feature = "tls")]
        ("http", "tls", http_script(b"")),
    ];
    for (scheme, to, script) in cases {
        let proxy = Proxy::new().await;
        let options = DialOptions::new()
            .with_via(via(scheme, &proxy))
            .with_timeout(LIMIT);
        let serving = proxy.serve(script);
        let to = format!("{to}://{NAME}:5432");
        let error = transport.dial_with(&*to, &options).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Timeout { op: Op::Dial }),
            "{scheme} {to}: {error}"
        );
        let (mut stream, _) = serving.await.unwrap();
        // The end may be a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread")]
async fn tls_inside_proves_name_of_target() {
    use std::sync::Arc;

    use ron_transport::tls::{ClientTls, PqMode, ServerTls, TlsMaterial};

    let pki = pki::MemoryPki::new();
    let (chain, key) = pki.issue(NAME);
    let material = TlsMaterial::new().with_pair(chain, key);
    let server = ServerTls::from_material(material, &Default::default(), PqMode::Off).unwrap();
    let material = TlsMaterial::new().with_authorities([pki.root()]);
    let client = ClientTls::from_material(material, &Default::default(), PqMode::Off).unwrap();
    let client = Arc::new(client);
    let served = Transport::builder()
        .bind_addr("127.0.0.1:0".parse().unwrap())
        .server_tls(server)
        .build()
        .unwrap();
    let served = Arc::new(served);
    let listen = served.listen().await.unwrap().socket_addr().unwrap();
    tokio::spawn(Arc::clone(&served).serve_owned(ron_transport::echo));
    for (scheme, script) in PROXIES {
        let proxy = Proxy::new().await;
        let options = DialOptions::new()
            .with_via(via(scheme, &proxy))
            .with_client_tls(Arc::clone(&client));
        let serving = proxy.serve(script(b""));
        tokio::spawn(async move {
            let (mut stream, _) = serving.await.unwrap();
            let mut target = TcpStream::connect(listen).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
        });
        let to = format!("tls://{NAME}:5432");
        let mut conn = served.dial_with(&*to, &options).await.unwrap();
        conn.write_all(b"question").await.unwrap();
        let mut read = [0; 8];
        conn.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"question");
        assert!(conn.info().kx.is_some());
    }
}

#[tokio::test]
async fn unreachable_proxy_is_a_connect_error() {
    let addr = Proxy::new().await.addr;
    let lines = format!("dial.via = 'socks5://{addr}'");
    let transport = transport(&lines, &Recorder::new());
    let error = transport.dial("tcp://127.0.0.1:9").await.unwrap_err();
    assert_eq!(error.kind(), "connect");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[tokio::test]
async fn other_schemes_are_refused() {
    let transport = transport("dial.via = 'socks5://me:key@127.0.0.1:9'", &Recorder::new());
    for to in ["unix:///run/a", "tor://a.example:1", "own://a"] {
        let error = transport.dial(to).await.unwrap_err();
        assert_eq!(error.kind(), "unsupported", "{to}: {error}");
        let said = error.to_string();
        assert!(!said.contains("me:key"), "{said}");
    }
    let onion = transport.dial("tcp://abc.onion:1").await.unwrap_err();
    assert_eq!(onion.kind(), "unsupported", "{onion}");
    let direct = DialOptions::new().with_via(None);
    let to = "unix:///run/missing/socket";
    let error = transport.dial_with(to, &direct).await.unwrap_err();
    assert_ne!(error.kind(), "unsupported", "{error}");
}
