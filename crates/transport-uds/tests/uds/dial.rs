//! Dialing: the server's uid, full backlogs, and invalid targets.

use std::io::ErrorKind;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::time::timeout;
use transport_core::{Dialer, PeerAddr, PeerIdentity, Reason, Target, TransportError};
use transport_uds::raw::UdsDialer;

use crate::place::{leave_stale_socket, our_uid, Place};

fn target(place: &Place) -> Target {
    Target::Unix(place.path().to_owned())
}

#[tokio::test]
async fn server_uid_is_reported() {
    let place = Place::new();
    let _listener = place.bind().await.unwrap();
    let info = UdsDialer::new().dial(&target(&place)).await.unwrap().info;
    assert_eq!(info.peer, Some(PeerAddr::Uid(our_uid())));
    assert_eq!(info.identity, PeerIdentity::Uid(our_uid()));
    assert!(info.steps.connect().is_some() && info.local.is_none());
}

#[tokio::test]
async fn dial_waits_for_full_backlog() {
    let place = Place::new();
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(place.path()).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let to = target(&place);
    let dialer = UdsDialer::new();
    let _first = dialer.dial(&to).await.unwrap();
    let second = dialer.dial(&to);
    tokio::pin!(second);
    let early = timeout(Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "the backlog holds one: {early:?}");
    busy.accept().unwrap();
    let second = timeout(Duration::from_secs(10), second).await;
    second.unwrap().unwrap();
}

#[tokio::test]
async fn missing_listener_fails_at_once() {
    let place = Place::new();
    let refused = |kind| async move {
        let place = Place::new();
        if kind == ErrorKind::ConnectionRefused {
            leave_stale_socket(place.path());
        }
        let error = UdsDialer::new().dial(&target(&place)).await.unwrap_err();
        assert!(error.is_retryable(), "a start may be in progress");
        let TransportError::Connect { source, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), kind);
    };
    refused(ErrorKind::NotFound).await;
    refused(ErrorKind::ConnectionRefused).await;

    let _listener = place.bind().await.unwrap();
    let none_left = UdsDialer::new().with_max_fd(Some(0));
    let error = none_left.dial(&target(&place)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ConnLimit), "{error}");
}

#[tokio::test]
async fn invalid_targets_are_refused() {
    let long = format!("/{}", "x".repeat(107));
    for (to, text) in [
        (Target::host("example.org", 1).unwrap(), "over uds"),
        (Target::Unix(long.into()), "at most 107 bytes"),
        (Target::Unix("\0abstract".into()), "not supported"),
        (Target::Unix("@abstract".into()), "not supported"),
        (Target::Unix("relative".into()), "absolute"),
        (Target::Unix("".into()), "absolute"),
    ] {
        let error = UdsDialer::new().dial(&to).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Unsupported { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(text), "{error}");
    }
}
