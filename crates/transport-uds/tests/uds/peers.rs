//! Access control by uid, before any byte.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{Backend, Dialer, Direction, PeerAddr, PeerIdentity, Reason, Target};
use transport_limits::{Guard, Limiter, Limits};
use transport_testkit::Recorder;
use transport_uds::raw::{UdsDialer, UdsListener};
use transport_uds::{Reloadable, UdsConfig, UdsGuard};

use crate::log::Log;
use crate::other_user::{self, OTHER, PAST_MODES, PLAIN};
use crate::place::{our_uid, Place};

struct Rig {
    place: Place,
    recorder: Recorder,
    guard: UdsGuard,
    live: Reloadable<UdsConfig>,
}

impl Rig {
    async fn new(allowed: &[u32], tune: impl FnOnce(&mut Limits)) -> Self {
        let place = Place::new();
        let mut config = place.config();
        config.set_allow_uids(allowed.iter().copied()).unwrap();
        let live = Reloadable::new(config.clone());
        let listener = UdsListener::bind(&config).await.unwrap();
        let mut limits = Limits::default();
        tune(&mut limits);
        let recorder = Recorder::new();
        let limiter = Limiter::new(&limits, recorder.observer()).unwrap();
        Self {
            place,
            recorder,
            guard: Guard::new(listener.with_config(&live), &limiter),
            live,
        }
    }

    /// Runs the client; fails if a connection is accepted meanwhile.
    async fn without_accept<T>(&mut self, client: impl std::future::Future<Output = T>) -> T {
        tokio::select! {
            incoming = self.guard.accept() => panic!("accepted: {incoming:?}"),
            done = client => done,
        }
    }

    async fn denied(&mut self, times: u64) {
        let recorder = self.recorder.clone();
        let counted = recorder.wait_for("a denied uid", |s| s.rejected(Reason::UidDenied) == times);
        self.without_accept(counted).await;
        let seen = self.recorder.snapshot();
        assert_eq!(seen.all_rejected(), times);
        for direction in [Direction::In, Direction::Out] {
            assert_eq!(seen.bytes(Backend::Uds, direction), 0);
        }
    }
}

/// Connects, sends `says`, and returns the received bytes.
fn talk(path: &Path, says: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut got = Vec::new();
    // The server may have closed the connection already.
    let _ = stream.write_all(says);
    match stream.read_to_end(&mut got) {
        Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(got),
        read => read.map(|_| got),
    }
}

/// A client that bypasses the modes connects and receives end of stream.
#[tokio::test]
async fn denied_uid_gets_no_byte_and_is_counted() {
    if !other_user::can_be("denied uid") {
        return;
    }
    let (log, _captured) = Log::capture();
    let mut rig = Rig::new(&[our_uid()], |_| {}).await;
    for (times, says) in [(1, &b""[..]), (2, b"let me in")] {
        let path = rig.place.path().to_owned();
        let client = other_user::run(PAST_MODES, move || talk(&path, says));
        let got = rig.without_accept(client).await;
        assert_eq!(got.unwrap(), b"");
        rig.denied(times).await;
        assert_eq!(rig.recorder.accepts(), times);
    }
    assert_eq!(rig.recorder.inflight(), 0);
    let rejects = log.lines("event=reject");
    assert!(!rejects.is_empty());
    for part in [
        "backend=uds",
        "reason=uid_denied",
        "peer=uid:1001",
        "error=uds peer not permitted",
    ] {
        assert!(rejects[0].contains(part), "{rejects:?}");
    }
}

/// Without the capability, the kernel refuses the client.
///
/// No metric counts it.
#[tokio::test]
async fn modes_refuse_other_user() {
    if !other_user::can_be("modes refuse other user") {
        return;
    }
    let mut rig = Rig::new(&[our_uid(), OTHER], |_| {}).await;
    let path = rig.place.path().to_owned();
    let client = other_user::run(PLAIN, move || talk(&path, b""));
    let refused = rig.without_accept(client).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert_eq!(rig.recorder.accepts(), 0);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

/// All processes of a uid are one peer.
#[tokio::test]
async fn allowed_other_user_is_a_separate_peer() {
    if !other_user::can_be("allowed other user") {
        return;
    }
    let mut rig = Rig::new(&[our_uid(), OTHER], |l| {
        l.set_peer_max_conns(1).unwrap();
    })
    .await;
    let connect = |path: &Path| {
        let path = path.to_owned();
        other_user::run(PAST_MODES, move || UnixStream::connect(path))
    };
    let mut first = connect(rig.place.path()).await.unwrap();
    let mut theirs = rig.guard.accept().await.establish().await.unwrap();
    assert_eq!(theirs.info.peer, Some(PeerAddr::Uid(OTHER)));
    assert_eq!(theirs.info.identity, PeerIdentity::Uid(OTHER));
    theirs.io.write_all(b"hello").await.unwrap();
    let mut got = [0; 5];
    first.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");

    let second = connect(rig.place.path()).await.unwrap();
    let ours = UnixStream::connect(rig.place.path()).unwrap();
    let incoming = rig.guard.accept().await;
    assert_eq!(incoming.peer(), PeerAddr::Uid(our_uid()));
    assert_eq!(rig.recorder.rejected(Reason::PeerLimit), 1);
    drop((second, ours));
}

#[tokio::test]
async fn allowed_uids_change_while_listening() {
    let mut rig = Rig::new(&[our_uid()], |_| {}).await;
    let target = Target::Unix(rig.place.path().to_owned());
    let dialer = UdsDialer::new();
    let mut peer = dialer.dial(&target).await.unwrap();
    let mut before = rig.guard.accept().await.establish().await.unwrap();

    let mut others = UdsConfig::default();
    others.set_allow_uids([our_uid() + 1]).unwrap();
    for (times, config) in [(1, others), (2, UdsConfig::default())] {
        rig.live.replace(config);
        let mut denied = dialer.dial(&target).await.unwrap();
        rig.denied(times).await;
        assert_eq!(denied.io.read(&mut [0; 16]).await.unwrap(), 0);
    }
    // Accepted connections stay.
    peer.io.write_all(b"x").await.unwrap();
    assert_eq!(before.io.read_u8().await.unwrap(), b'x');

    rig.live.replace(rig.place.config());
    let _peer = dialer.dial(&target).await.unwrap();
    let again = rig.guard.accept().await.establish().await.unwrap();
    assert_eq!(again.info.identity, PeerIdentity::Uid(our_uid()));
}

#[tokio::test]
async fn descriptors_over_the_limit_are_refused() {
    let place = Place::new();
    let listener = place.bind().await.unwrap().with_max_fd(Some(0));
    let recorder = Recorder::new();
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let mut guard = Guard::new(listener, &limiter);
    let _peer = UnixStream::connect(place.path()).unwrap();
    tokio::select! {
        incoming = guard.accept() => panic!("accepted: {incoming:?}"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1) => {}
    }
}
