//! Error texts and kinds of failed handshakes, on both sides.

use proptest::prelude::*;
use rcgen::{date_time_ymd, PKCS_ECDSA_P256_SHA256};
use transport_core::{Dialer, Target};
use transport_tls::{ClientAuth, PqMode};

use crate::pki::{self, Authority, Files, SERVER};
use crate::rig::{failure, files, message, Rig};

#[tokio::test]
async fn unknown_authority() {
    let (files, _) = files();
    files.put("ca.pem", &Authority::new().pem());
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (server, client) = Rig::new(&server, &client).handshake().await;
    // Two authorities with the same name: only the signature differs.
    let client = failure(client);
    assert!(client.starts_with("the server's certificate"), "{client}");
    let server = failure(server);
    assert!(server.starts_with("the peer sent alert "), "{server}");
}

#[tokio::test]
async fn certificate_outside_validity() {
    for (from, to, what, alert) in [
        (2000, 2001, "has expired", "certificate_expired"),
        (2090, 2091, "is not valid yet", "certificate_expired"),
    ] {
        let authority = Authority::new();
        let leaf = authority.leaf_with(&[SERVER], &PKCS_ECDSA_P256_SHA256, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        });
        let files = Files::new(&authority, &leaf);
        let server = pki::server(&files.server_config(), PqMode::Off);
        let client = pki::client(&files.client_config(), PqMode::Off);
        let (server, client) = Rig::new(&server, &client).handshake().await;
        assert_eq!(failure(client), format!("the server's certificate {what}"));
        let server = failure(server);
        assert!(server.contains(alert), "{server}");
    }
}

#[tokio::test]
async fn certificate_for_another_name() {
    let authority = Authority::new();
    let many = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
    ];
    let files = Files::new(&authority, &authority.leaf(&many));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (server, client) = Rig::new(&server, &client).handshake().await;
    let client = failure(client);
    let wanted = "the server's certificate is not for server.example, but for: ";
    assert!(client.starts_with(wanted), "{client}");
    assert!(client.ends_with(" and 2 more"), "{client}");
    assert!(failure(server).contains("bad_certificate"));
}

#[tokio::test]
async fn hostile_names_are_escaped() {
    let authority = Authority::new();
    let names = [
        "\u{1b}]0;owned\u{7}.example",
        "x\nlevel=error",
        "\u{7f}\u{1b}[31m",
    ];
    let files = Files::new(&authority, &authority.leaf(&names));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let (_, client) = Rig::new(&server, &client).handshake().await;
    assert_eq!(
        failure(client),
        "the server's certificate is not for server.example, but for: \
         \\u001b]0;owned\\u0007.example, x\\nlevel=error, \\u007f\\u001b[31m"
    );
}

#[tokio::test]
async fn no_application_protocol_in_common() {
    let (files, _) = files();
    let (mut server, mut client) = (files.server_config(), files.client_config());
    server.set_alpn(vec!["h2".into()]).unwrap();
    client.set_alpn(vec!["oap/1".into()]).unwrap();
    let server = pki::server(&server, PqMode::Off);
    let client = pki::client(&client, PqMode::Off);
    let (server, client) = Rig::new(&server, &client).handshake().await;
    assert_eq!(
        failure(server),
        "no application protocol (ALPN) in common with the peer"
    );
    assert_eq!(
        failure(client),
        "the peer sent alert no_application_protocol: no ALPN name in common"
    );
}

#[tokio::test]
async fn untrusted_client_certificate() {
    let (files, authority) = files();
    let mutual = files.mutual_config(ClientAuth::Required, &authority);
    let server = pki::server(&mutual, PqMode::Off);
    let stranger = Authority::new().leaf(&["client.example"]);
    let client = pki::client(&files.client_config_with(&stranger), PqMode::Off);
    let (server, client) = Rig::new(&server, &client).handshake().await;
    let server = failure(server);
    assert!(server.starts_with("the client's certificate "), "{server}");
    // The client's handshake was complete before the server refused it.
    let error = crate::rig::read_failure(&mut client.unwrap()).await;
    assert!(message(&error).starts_with("the peer sent alert "));
}

#[tokio::test]
async fn http_on_a_tls_port() {
    for request in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"POST /a HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
    ] {
        let (error, answer) = Rig::plain(PqMode::Off).send_plain(request).await;
        assert_eq!(message(&error), "the peer spoke HTTP, not TLS");
        assert_eq!(answer.first(), Some(&21), "an alert is sent");
    }
}

#[tokio::test]
async fn other_protocol_on_a_tls_port() {
    for hello in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"GEThsemane and so on",
        &[0; 64],
    ] {
        let (error, _) = Rig::plain(PqMode::Off).send_plain(hello).await;
        assert_eq!(message(&error), "the peer did not speak TLS");
    }
    let (error, _) = Rig::plain(PqMode::Off)
        .send_plain(&[22, 3, 1, 0, 4, 1, 0, 0, 0])
        .await;
    let malformed = message(&error);
    assert!(
        malformed.starts_with("the peer sent a malformed message: "),
        "{malformed}"
    );
}

#[tokio::test]
async fn http_server() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use transport_core::{Listener, Pending};
    use transport_testkit::{MemoryListener, Recorder};
    let (files, _) = files();
    let (mut listener, reach) = MemoryListener::bind(transport_core::Backend::Tcp);
    let live = pki::client(&files.client_config(), PqMode::Off);
    let dialer = transport_tls::raw::TlsDialer::over(reach, &live, Recorder::new().observer());
    let http = async {
        let mut io = listener
            .accept()
            .await
            .unwrap()
            .establish()
            .await
            .unwrap()
            .io;
        let read = io.read(&mut [0; 4096]).await.unwrap();
        assert!(read > 0);
        io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        io.shutdown().await.unwrap();
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
    };
    let target = crate::rig::target();
    let ((), dialed) = tokio::join!(http, dialer.dial(&target));
    assert_eq!(failure(dialed), "the peer spoke HTTP, not TLS");
}

#[tokio::test]
async fn close_during_handshake() {
    use tokio::io::AsyncWriteExt;
    use transport_core::{Listener, Pending};
    let mut rig = Rig::plain(PqMode::Off);
    let leaving = async {
        let mut io = rig.plain.dial(&crate::rig::target()).await.unwrap().io;
        io.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    };
    let accept = async { rig.listener.accept().await?.establish().await };
    let (server, ()) = tokio::join!(accept, leaving);
    assert_eq!(
        failure(server),
        "the peer closed the connection during the handshake"
    );
}

#[tokio::test]
async fn target_without_name() {
    let rig = Rig::plain(PqMode::Off);
    let to = Target::Unix("/run/x".into());
    let error = rig.dialer.dial(&to).await.unwrap_err();
    assert_eq!(error.kind(), "unsupported");
    let bad = Target::host("-a-", 1).unwrap();
    let error = rig.dialer.dial(&bad).await.unwrap_err();
    assert!(message(&error).contains("is not a valid server name"));
}

#[tokio::test]
async fn ip_address_is_verified_like_a_name() {
    let authority = Authority::new();
    let files = Files::new(&authority, &authority.leaf(&["127.0.0.1", "::1"]));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    for (host, proved) in [("127.0.0.1", true), ("::1", true), ("127.0.0.2", false)] {
        use transport_core::{Listener, Pending};
        let accept = async { rig.listener.accept().await?.establish().await };
        let to = Target::host(host, 1).unwrap();
        let (_, client) = tokio::join!(accept, rig.dialer.dial(&to));
        assert_eq!(client.is_ok(), proved, "{host}");
    }
}

/// Generates at least one byte.
///
/// Sometimes after a record header, to pass the first check.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 1..2000);
    (prop_oneof![Just(22), any::<u8>()], any::<bool>(), body).prop_map(|(kind, header, body)| {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        let header = if header {
            vec![kind, 3, 1, len[0], len[1]]
        } else {
            Vec::new()
        };
        [header, body].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn arbitrary_bytes_give_bounded_error_text(bytes in hostile_bytes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (error, _) = runtime.block_on(async {
            Rig::plain(PqMode::Off).send_plain(&bytes).await
        });
        prop_assert!(message(&error).len() < 450);
    }
}
