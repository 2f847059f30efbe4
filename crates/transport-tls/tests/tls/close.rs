//! End of stream with and without `close_notify`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS13;
use transport_core::{CloseReason, Dialer, Listener, Pending, TransportError};
use transport_limits::{Guard, Limiter, Limits};
use transport_testkit::Recorder;
use transport_tls::PqMode;

use crate::pki::{self, SERVER};
use crate::rig::{files, message, read_failure, target, Rig};
use crate::versions::connector;

#[tokio::test]
async fn shutdown_sends_close_notify_and_half_closes() {
    let (mut ours, mut theirs) = Rig::plain(PqMode::Off).connect().await;
    theirs.io.write_all(b"request").await.unwrap();
    theirs.io.shutdown().await.unwrap();
    let mut got = Vec::new();
    ours.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"request");
    ours.io.write_all(b"reply").await.unwrap();
    ours.io.shutdown().await.unwrap();
    got.clear();
    theirs.io.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"reply");
}

#[tokio::test]
async fn missing_close_notify_is_truncation() {
    for server_reads in [true, false] {
        let (ours, theirs) = Rig::plain(PqMode::Off).connect().await;
        let (mut reads, mut cuts) = if server_reads {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        cuts.io.write_all(b"half of it").await.unwrap();
        cuts.io.flush().await.unwrap();
        drop(cuts);
        let mut got = [0; 10];
        reads.io.read_exact(&mut got).await.unwrap();
        assert_eq!(
            &got, b"half of it",
            "data before the truncation is delivered"
        );
        let error = read_failure(&mut reads).await;
        assert!(matches!(error, TransportError::TlsTruncated), "{error:?}");
        assert_eq!(error.kind(), "tls_truncated");
        assert_eq!(error.reason(), None);
    }
}

#[tokio::test]
async fn truncation_is_counted_and_not_rejected() {
    let Rig {
        listener, dialer, ..
    } = Rig::plain(PqMode::Off);
    let recorder = Recorder::new();
    let limiter = Limiter::new(&Limits::default(), recorder.observer()).unwrap();
    let mut guard = Guard::new(listener, &limiter);
    let (ours, theirs) = tokio::join!(
        async { guard.accept().await.establish().await.unwrap() },
        async { dialer.dial(&target()).await.unwrap() }
    );
    let mut ours = ours;
    drop(theirs);
    ours.io.read(&mut [0; 16]).await.unwrap_err();
    drop(ours);
    assert_eq!(recorder.closes(CloseReason::Truncated), 1);
    assert_eq!(recorder.snapshot().all_rejected(), 0);
}

#[tokio::test]
async fn tampered_record_is_a_tls_failure() {
    let (files, authority) = files();
    let server = pki::server(&files.server_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &pki::client(&files.client_config(), PqMode::Off));
    let connector = connector(&authority, &[&TLS13]);
    let forging = async {
        let io = rig.plain.dial(&target()).await.unwrap().io;
        let name = ServerName::try_from(SERVER).unwrap();
        let mut stream = connector.connect(name, io).await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        let (mut io, _keys) = stream.into_inner();
        // Application data encrypted with another key.
        let forged = [&[23, 3, 3, 0, 20][..], &[7; 20]].concat();
        io.write_all(&forged).await.unwrap();
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
    };
    let reading = async {
        let mut ours = rig
            .listener
            .accept()
            .await
            .unwrap()
            .establish()
            .await
            .unwrap();
        ours.io.write_all(b"!").await.unwrap();
        ours.io.flush().await.unwrap();
        read_failure(&mut ours).await
    };
    let ((), error) = tokio::join!(forging, reading);
    assert_eq!(error.kind(), "tls", "{error:?}");
    assert_eq!(error.close_reason(), CloseReason::Error);
    let says = message(&error);
    assert!(says.starts_with("the TLS stream failed: "), "{says}");
}
