//! Unix sockets through the facade.
//!
//! Listen, dial, reload of allowed users, inherited sockets.
#![cfg(feature = "uds")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::config::Loader;
use ron_transport::{
    echo, Config, Conn, Endpoint, Inherited, ListenAddr, PeerIdentity, ReloadError, Transport,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_testkit::Recorder;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    fn loader(&self, uids: &str) -> Loader {
        Config::loader()
            .flag("transport.backend", "uds")
            .flag("transport.uds.path", self.path())
            .flag("transport.uds.allow-uids", uids)
    }

    fn config(&self, uids: &str) -> Config {
        self.loader(uids).load().unwrap().into_settings()
    }

    fn endpoint(&self) -> Endpoint {
        format!("unix://{}", self.path().display()).parse().unwrap()
    }
}

fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

fn transport(config: Config, recorder: &Recorder) -> Arc<Transport> {
    let builder = Transport::builder().config(config);
    Arc::new(builder.observer(recorder.observer()).build().unwrap())
}

fn serve(transport: &Arc<Transport>) {
    let served = Arc::clone(transport);
    let handler = |conn: Conn| async move { drop(echo(conn).await) };
    tokio::spawn(async move { served.serve(handler).await });
}

async fn echoes(conn: &mut Conn) -> bool {
    conn.write_all(b"x").await.is_ok() && conn.read_u8().await.is_ok_and(|byte| byte == b'x')
}

#[tokio::test]
async fn listen_dial_and_removal_of_the_socket() {
    let (place, recorder) = (Place::new(), Recorder::new());
    let server = transport(place.config(&own_uid().to_string()), &recorder);
    assert_eq!(
        server.listen().await.unwrap(),
        ListenAddr::Unix(place.path())
    );
    serve(&server);
    let mut conn = server.dial(&place.endpoint()).await.unwrap();
    assert!(echoes(&mut conn).await);
    assert_eq!(conn.info().identity, PeerIdentity::Uid(own_uid()));
    drop(conn);
    server.shutdown(Duration::from_secs(5)).await;
    assert!(!place.path().exists());
}

#[tokio::test]
async fn reload_changes_allowed_uids() {
    let (place, recorder) = (Place::new(), Recorder::new());
    let allowed = place.config(&own_uid().to_string());
    let server = transport(allowed.clone(), &recorder);
    server.listen().await.unwrap();
    serve(&server);
    let mut before = server.dial(&place.endpoint()).await.unwrap();
    assert!(echoes(&mut before).await);
    let others = place.config(&(own_uid() + 1).to_string());
    let report = server.reload(others).unwrap();
    assert_eq!(report.applied, ["uds.allow_uids"]);
    let mut denied = server.dial(&place.endpoint()).await.unwrap();
    assert!(!echoes(&mut denied).await);
    assert!(echoes(&mut before).await, "an open connection stays open");
    let mut elsewhere = allowed.clone();
    elsewhere
        .uds
        .set_path(place.dir.path().join("other"))
        .unwrap();
    let keys = vec!["uds.path"];
    let error = server.reload(elsewhere).unwrap_err();
    assert_eq!(error, ReloadError::NeedsRestart { keys });
    server.reload(allowed).unwrap();
    assert!(echoes(&mut server.dial(&place.endpoint()).await.unwrap()).await);
}

#[tokio::test]
async fn inherited_socket_keeps_its_file() {
    let (place, recorder) = (Place::new(), Recorder::new());
    let socket = UnixListener::bind(place.path()).unwrap();
    let early = UnixStream::connect(place.path()).unwrap();
    let config = place.config(&own_uid().to_string());
    let server = transport(config.clone(), &recorder);
    let addr = server.listen_on(Inherited::Unix(socket.try_clone().unwrap()));
    assert_eq!(addr.await.unwrap(), ListenAddr::Unix(place.path()));
    serve(&server);
    assert!(echoes(&mut server.dial(&place.endpoint()).await.unwrap()).await);
    drop(early);
    server.shutdown(Duration::from_secs(5)).await;
    assert!(place.path().exists());

    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = transport(config, &recorder);
    let error = other.listen_on(Inherited::Tcp(tcp)).await.unwrap_err();
    assert!(
        error.to_string().contains("a TCP socket: backend uds"),
        "{error}"
    );
}

#[test]
fn settings_of_another_backend_refused() {
    let place = Place::new();
    let refused = |loader: Loader| loader.load().unwrap_err().to_string();
    let both = place.loader("1").flag("transport.bind-addr", "[::1]:1");
    assert!(refused(both).contains("leave bind_addr out"));
    let tcp = place.loader("1").flag("transport.backend", "tcp");
    assert!(refused(tcp).contains("needs backend = uds"));
    let nobody = refused(place.loader(""));
    assert!(nobody.contains("transport.uds.allow_uids"), "{nobody}");
    // Also without a loader.
    let mut config = Config::default();
    config.uds.set_path("/run/ron/sock").unwrap();
    let error = Transport::builder().config(config).build().unwrap_err();
    assert!(
        error.to_string().contains("uds.path: needs backend = uds"),
        "{error}"
    );
}

/// Binding waits for another start in the directory.
///
/// A shutdown ends the wait.
#[tokio::test]
async fn listen_completes_after_shutdown() {
    use rustix::fs::{flock, FlockOperation};

    let (place, recorder) = (Place::new(), Recorder::new());
    let other = fs::File::open(place.dir.path()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let server = transport(place.config(&own_uid().to_string()), &recorder);
    let late = Arc::clone(&server);
    let listening = tokio::spawn(async move { late.listen().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.shutdown(Duration::ZERO).await;
    flock(&other, FlockOperation::Unlock).unwrap();
    let error = listening.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("has shut down"), "{error}");
    assert!(!place.path().exists());
}
