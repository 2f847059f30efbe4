//! Sockets created by another program, and configurations that cannot listen.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use transport_core::{Listener, Pending, TransportError};
use transport_uds::raw::UdsListener;
use transport_uds::UdsConfig;

use crate::place::Place;

#[tokio::test]
async fn passed_socket_is_served_and_kept() {
    // Its directory is not checked.
    let place = Place::with_mode(0o755);
    let made = UnixListener::bind(place.path()).unwrap();
    let mut listener = UdsListener::from_std(made, &place.config()).unwrap();
    assert_eq!(listener.local_path().unwrap(), place.path());
    let _peer = UnixStream::connect(place.path()).unwrap();
    let pending = listener.accept().await.unwrap();
    assert_eq!(pending.refused(), None);
    pending.establish().await.unwrap();
    drop(listener);
    assert!(place.path().exists());
}

#[tokio::test]
async fn other_descriptors_are_refused() {
    let place = Place::new();
    let (connected, _other) = UnixStream::pair().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    for fd in [OwnedFd::from(connected), OwnedFd::from(tcp)] {
        let refused = UdsListener::from_std(fd.into(), &place.config()).unwrap_err();
        assert!(
            matches!(refused, TransportError::Bind { .. }),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn missing_uids_or_path_is_refused() {
    let place = Place::new();
    let mut config = UdsConfig::default();
    config.set_path(place.path()).unwrap();
    let made = UnixListener::bind(place.dir().join("made")).unwrap();
    let passed = UdsListener::from_std(made, &config).unwrap_err();
    for refused in [UdsListener::bind(&config).await.unwrap_err(), passed] {
        assert_eq!(refused.kind(), "config");
        let text = refused.to_string();
        assert!(
            text.contains("uds.allow_uids") && text.contains("id -u"),
            "{text}"
        );
    }
    assert!(!place.path().exists());
    config.set_path("").unwrap();
    let refused = UdsListener::bind(&config).await.unwrap_err();
    assert!(refused.to_string().contains("uds.path: is required"));
}
