//! Who may connect: judged by uid, before any byte.

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

    /// Serves until the client is through; nobody is let in meanwhile.
    async fn letting_nobody_in<T>(&mut self, client: impl std::future::Future<Output = T>) -> T {
        tokio::select! {
            incoming = self.guard.accept() => panic!("let in: {incoming:?}"),
            done = client => done,
        }
    }

    async fn denied(&mut self, times: u64) {
        let recorder = self.recorder.clone();
        let counted = recorder.wait_for("a denied uid", |s| s.rejected(Reason::UidDenied) == times);
        self.letting_nobody_in(counted).await;
        let seen = self.recorder.snapshot();
        assert_eq!(seen.all_rejected(), times);
        for direction in [Direction::In, Direction::Out] {
            assert_eq!(seen.bytes(Backend::Uds, direction), 0);
        }
    }
}

/// What a client gets that says something, or says nothing, and then reads.
fn talk(path: &Path, says: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut got = Vec::new();
    // It may have been hung up on before it could say anything.
    let _ = stream.write_all(says);
    match stream.read_to_end(&mut got) {
        Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(got),
        read => read.map(|_| got),
    }
}

/// Past the modes of file and directory, by a capability: connected, and hung up on.
#[tokio::test]
async fn a_uid_that_is_not_allowed_gets_nothing_and_is_counted() {
    if !other_user::can_be("a uid that is not allowed gets nothing and is counted") {
        return;
    }
    let (log, _captured) = Log::capture();
    let mut rig = Rig::new(&[our_uid()], |_| {}).await;
    for (times, says) in [(1, &b""[..]), (2, b"let me in")] {
        let path = rig.place.path().to_owned();
        let client = other_user::run(PAST_MODES, move || talk(&path, says));
        let got = rig.letting_nobody_in(client).await;
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

/// Without the capability the kernel says no, and here nothing is seen of it: the other symptom.
#[tokio::test]
async fn a_plain_second_user_does_not_get_through_the_modes() {
    if !other_user::can_be("a plain second user does not get through the modes") {
        return;
    }
    let mut rig = Rig::new(&[our_uid(), OTHER], |_| {}).await;
    let path = rig.place.path().to_owned();
    let client = other_user::run(PLAIN, move || talk(&path, b""));
    let refused = rig.letting_nobody_in(client).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert_eq!(rig.recorder.accepts(), 0);
    assert_eq!(rig.recorder.snapshot().all_rejected(), 0);
}

/// A uid is one peer, whatever its processes.
#[tokio::test]
async fn an_allowed_second_user_is_served_and_limited_as_a_peer_of_its_own() {
    if !other_user::can_be("an allowed second user is a peer of its own") {
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
async fn the_allowed_uids_change_under_a_running_listener() {
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
    // Who is in stays in.
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
        incoming = guard.accept() => panic!("let in: {incoming:?}"),
        () = recorder.wait_for("a refusal", |s| s.rejected(Reason::ConnLimit) == 1) => {}
    }
}
