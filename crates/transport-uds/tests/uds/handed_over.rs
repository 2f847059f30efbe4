//! Sockets that somebody else made, and configurations that cannot listen.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use transport_core::{Listener, Pending, TransportError};
use transport_uds::raw::UdsListener;
use transport_uds::UdsConfig;

use crate::place::Place;

#[tokio::test]
async fn a_socket_that_was_handed_over_is_served_and_its_file_stays() {
    // Whoever made it answers for its directory as well.
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
async fn what_is_no_listening_unix_socket_is_refused() {
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
async fn without_uids_or_a_path_there_is_no_start() {
    let place = Place::new();
    let mut config = UdsConfig::default();
    config.set_path(place.path()).unwrap();
    let made = UnixListener::bind(place.dir().join("made")).unwrap();
    let handed_over = UdsListener::from_std(made, &config).unwrap_err();
    for refused in [UdsListener::bind(&config).await.unwrap_err(), handed_over] {
        assert_eq!(refused.kind(), "config");
        let told = refused.to_string();
        assert!(
            told.contains("uds.allow_uids") && told.contains("id -u"),
            "{told}"
        );
    }
    assert!(!place.path().exists());
    config.set_path("").unwrap();
    let refused = UdsListener::bind(&config).await.unwrap_err();
    assert!(refused.to_string().contains("uds.path: is required"));
}
