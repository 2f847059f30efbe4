//! A server that upgrades after one line of plaintext.

use std::fs;
use std::future::Future;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use ron_transport::tls::ServerTls;
use ron_transport::{Conn, Deadlines, Endpoint, Limits, TlsUpgrade, Transport, TransportError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{channel, Receiver};
use tokio::sync::Mutex;
use tokio::time::timeout;
use transport_testkit::Recorder;

use crate::pki::MemoryPki;

#[derive(Clone, Copy)]
pub(crate) enum Over {
    Tcp,
    Unix,
}

/// `handshake_timeout` of the server.
pub(crate) const HANDSHAKE: Duration = Duration::from_millis(200);

pub(crate) struct Listening {
    pub(crate) transport: Arc<Transport>,
    pub(crate) recorder: Recorder,
    pub(crate) to: Endpoint,
    /// The result of each upgrade.
    ended: Mutex<Receiver<Result<Conn, TransportError>>>,
    _dir: TempDir,
}

impl Listening {
    /// Serves connections: the upgrade, then the handler, which returns them.
    pub(crate) async fn start<H, F>(over: Over, pki: &MemoryPki, handler: H) -> Self
    where
        H: Fn(Conn) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Conn> + Send,
    {
        Self::with_timeout(over, pki, HANDSHAKE * 50, handler).await
    }

    pub(crate) async fn with_timeout<H, F>(
        over: Over,
        pki: &MemoryPki,
        handshake: Duration,
        handler: H,
    ) -> Self
    where
        H: Fn(Conn) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Conn> + Send,
    {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let recorder = Recorder::new();
        let deadlines = Deadlines::default().with_handshake(handshake);
        let limits = Limits::new().with_deadlines(deadlines).unwrap();
        let builder = Transport::builder()
            .observer(recorder.observer())
            .limits(limits);
        let builder = match over {
            Over::Tcp => builder.bind_addr("127.0.0.1:0".parse().unwrap()),
            Over::Unix => {
                let own = fs::metadata("/proc/self").unwrap().uid();
                builder.unix(dir.path().join("sock")).allow_uids([own])
            }
        };
        let transport = Arc::new(builder.build().unwrap());
        let listening = transport.listen().await.unwrap();
        let to = match over {
            Over::Tcp => Endpoint::from(listening.socket_addr().unwrap()),
            Over::Unix => Endpoint::unix(dir.path().join("sock")),
        };
        let tls = Arc::new(pki.server_tls("server.example"));
        let (sender, ended) = channel(16);
        let serve = move |conn: Conn| {
            let (tls, sender, handler) = (Arc::clone(&tls), sender.clone(), handler.clone());
            async move {
                let result = match accept_upgrade(conn, tls).await {
                    Ok(conn) => Ok(handler(conn).await),
                    Err(error) => Err(error),
                };
                let _ = sender.send(result).await;
            }
        };
        tokio::spawn(Arc::clone(&transport).serve_owned(serve));
        Self {
            transport,
            recorder,
            to,
            ended: Mutex::new(ended),
            _dir: dir,
        }
    }

    /// Returns the result of the next upgrade.
    pub(crate) async fn ended(&self) -> Result<Conn, TransportError> {
        let mut ended = self.ended.lock().await;
        let next = timeout(Duration::from_secs(20), ended.recv());
        next.await.unwrap().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        let addr = self.transport.local_addr().unwrap();
        addr.socket_addr().unwrap().port()
    }
}

/// Reads exactly the request, and upgrades.
async fn accept_upgrade(mut conn: Conn, tls: Arc<ServerTls>) -> Result<Conn, TransportError> {
    let mut request = [0; 9];
    conn.read_exact(&mut request).await?;
    assert_eq!(&request, b"STARTTLS\n");
    conn.write_all(b"OK\n").await?;
    conn.upgrade_tls(TlsUpgrade::server(tls)).await
}

pub(crate) async fn ask_upgrade(conn: &mut Conn) {
    conn.write_all(b"STARTTLS\n").await.unwrap();
    let mut answer = [0; 3];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"OK\n");
}

/// A transport that only dials.
pub(crate) fn client() -> Transport {
    let observer = Recorder::new().observer();
    Transport::builder().observer(observer).build().unwrap()
}
