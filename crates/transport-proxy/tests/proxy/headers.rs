//! Headers of trusted hops, and bytes of others.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport_core::{PeerAddr, ProxyResult, Reason};
use transport_limits::Limits;
use transport_proxy::{encode, Proxied, ProxyVersion};

use crate::rig::{header, line, read_all, trusting, Rig, LOOPBACK};

fn ip(text: &str) -> PeerAddr {
    PeerAddr::Ip(text.parse().unwrap())
}

#[tokio::test]
async fn announced_address_is_the_peer() {
    let mut rig = Rig::trusted().await;
    for version in ProxyVersion::ALL {
        let bytes = encode(&header(version, "192.0.2.1"));
        let (established, hop) = rig.establish(&bytes).await;
        let info = established.unwrap().info;
        assert_eq!(info.peer, Some(ip("192.0.2.1:5000")));
        let facts = info.proxied.as_ref().unwrap();
        assert_eq!(facts.via, Some(PeerAddr::Ip(hop.local_addr().unwrap())));
        assert_eq!(facts.destination().unwrap().to_string(), "198.51.100.9:443");
        assert_eq!(info.local, Some(hop.peer_addr().unwrap()));
    }
    let headers = rig.recorder.snapshot().proxy_headers;
    let ok = ProxyVersion::ALL.map(|version| (Some(version), ProxyResult::Ok));
    assert_eq!(headers, ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn header_one_byte_at_a_time() {
    let mut rig = Rig::trusted().await;
    for version in ProxyVersion::ALL {
        let mut facts = header(version, "2001:db8::1");
        if version == ProxyVersion::V2 {
            facts.authority = Some("a.example".into());
        }
        let bytes = [encode(&facts), b"first".to_vec()].concat();
        let mut hop = rig.connect(&[]).await;
        let admitted = rig.accept().await;
        let establishing = tokio::spawn(admitted.establish());
        for byte in bytes {
            hop.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        hop.shutdown().await.unwrap();
        let mut conn = establishing.await.unwrap().unwrap();
        assert_eq!(conn.info.peer, Some(ip("[2001:db8::1]:5000")));
        assert_eq!(read_all(&mut conn.io).await, b"first");
    }
}

#[tokio::test]
async fn bytes_after_header_are_data() {
    let mut rig = Rig::trusted().await;
    for version in ProxyVersion::ALL {
        let data = vec![b'x'; 3000];
        let bytes = [encode(&header(version, "192.0.2.1")), data.clone()].concat();
        let (established, mut hop) = rig.establish(&bytes).await;
        hop.shutdown().await.unwrap();
        let mut conn = established.unwrap();
        assert_eq!(read_all(&mut conn.io).await, data);
    }
}

#[tokio::test]
async fn header_from_outside_is_data() {
    let mut rig = Rig::new(trusting(&["192.0.2.0/24"]), |_| ()).await;
    let bytes = line("203.0.113.1");
    let (established, mut hop) = rig.establish(&bytes).await;
    hop.shutdown().await.unwrap();
    let mut conn = established.unwrap();
    assert_eq!(
        conn.info.peer,
        Some(PeerAddr::Ip(hop.local_addr().unwrap()))
    );
    assert!(conn.info.proxied.is_none());
    assert_eq!(read_all(&mut conn.io).await, bytes);
    assert!(rig.recorder.snapshot().proxy_headers.is_empty());
}

#[tokio::test]
async fn required_header_refuses_others() {
    let mut config = trusting(&["192.0.2.0/24"]);
    config.set_required(true);
    let mut rig = Rig::new(config, |_| ()).await;
    let mut hop = rig.connect(&[]).await;
    let recorder = rig.recorder.clone();
    tokio::select! {
        _ = rig.accept() => panic!("admitted"),
        () = recorder.wait_for("a refusal", |s| s.all_rejected() == 1) => {}
    }
    assert_eq!(recorder.rejected(Reason::Proxy), 1);
    assert_eq!(
        recorder.snapshot().proxy_headers,
        [(None, ProxyResult::Untrusted)]
    );
    assert_eq!(hop.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn reload_applies_to_new_connections() {
    let mut rig = Rig::new(trusting(&["192.0.2.0/24"]), |_| ()).await;
    let before = rig.connect(&[]).await;
    let admitted = rig.accept().await;
    rig.config.replace(trusting(&[LOOPBACK]));
    let info = admitted.establish().await.unwrap().info;
    assert_eq!(info.peer, Some(PeerAddr::Ip(before.local_addr().unwrap())));
    let (established, _hop) = rig.establish(&line("203.0.113.1")).await;
    assert_eq!(established.unwrap().info.peer, Some(ip("203.0.113.1:5000")));
}

#[tokio::test]
async fn invalid_header_is_refused_once() {
    let mut rig = Rig::trusted().await;
    let mut wrong_crc = encode(&header(ProxyVersion::V2, "192.0.2.1"));
    *wrong_crc.last_mut().unwrap() ^= 1;
    let mut too_large = wrong_crc.clone();
    too_large[14..16].copy_from_slice(&2000_u16.to_be_bytes());
    for (bytes, version, result) in [
        (&b"GET / HTTP/1.1\r\n"[..], None, ProxyResult::Malformed),
        (b"\x16\x03\x01\x02\x00\x01", None, ProxyResult::Malformed),
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.9 05000 443\r\n",
            Some(ProxyVersion::V1),
            ProxyResult::Malformed,
        ),
        (&wrong_crc, Some(ProxyVersion::V2), ProxyResult::Checksum),
        (&too_large, Some(ProxyVersion::V2), ProxyResult::TooLarge),
    ] {
        assert_eq!(rig.refused(bytes).await, Reason::Proxy, "{bytes:?}");
        let last = rig.recorder.snapshot().proxy_headers.pop().unwrap();
        assert_eq!(last, (version, result), "{bytes:?}");
    }
    assert_eq!((rig.limiter.admitted(), rig.limiter.pending()), (0, 0));
}

#[tokio::test]
async fn unique_id_is_the_correlation_id() {
    let mut rig = Rig::new(trusting(&[LOOPBACK]), |limits: &mut Limits| {
        limits.set_peer_max_conns(5).unwrap();
    })
    .await;
    let mut facts: Proxied = header(ProxyVersion::V2, "192.0.2.1");
    facts.unique_id = Some((*b"req-7").into());
    facts.alpn = Some((*b"h2").into());
    let (established, _hop) = rig.establish(&encode(&facts)).await;
    let info = established.unwrap().info;
    let received = info.proxied.as_ref().unwrap();
    assert_eq!(received.unique_id_text().unwrap(), "req-7");
    assert_eq!(received.alpn.as_deref(), Some(&b"h2"[..]));
}
