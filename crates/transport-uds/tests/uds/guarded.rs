//! The guarded constructors: limits apply without the facade.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use rustix::process::geteuid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{NoObserver, Target};
use transport_uds::{dialer, listen, Limiter, Limits, UdsConfig};

#[tokio::test]
async fn guarded_ends_exchange_bytes() {
    let limiter = Limiter::new(&Limits::default(), Arc::new(NoObserver)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    DirBuilder::new().mode(0o700).create(&private).unwrap();
    let path = private.join("a.sock");
    let mut config = UdsConfig::default();
    config.set_path(path.clone()).unwrap();
    config.set_allow_uids([geteuid().as_raw()]).unwrap();
    let mut listener = listen(&config, &limiter).await.unwrap();
    let (dialer, to) = (dialer(&limiter), Target::Unix(path));

    let (dialed, accepted) = tokio::join!(dialer.dial(&to), async {
        listener.accept().await.establish().await
    });
    let (mut client, mut server) = (dialed.unwrap().io, accepted.unwrap().io);
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!((text.as_str(), limiter.open()), ("answer", 2));
    drop((client, server));
    assert_eq!(limiter.open(), 0);
}
