//! Names of custom backends, and settings that exclude them.

use ron_transport::{Inherited, Transport, TransportBuilder};
use transport_core::Backend;
use transport_testkit::{MemoryDialer, MemoryListener};

fn memory() -> (MemoryListener, MemoryDialer) {
    MemoryListener::bind(Backend::Tcp)
}

fn refused(builder: TransportBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn invalid_name_is_refused() {
    for name in [
        "", "VSOCK", "1a", "a b", "a_b", "ä", "tcp", "uds", "tor", "arti", "tls+a",
    ] {
        let (listener, dialer) = memory();
        let error = refused(Transport::builder().raw_listener(name, listener));
        assert!(error.contains("a name has 1 to 32"), "{error}");
        let error = refused(Transport::builder().raw_dialer(name, dialer));
        assert!(error.contains("a name has 1 to 32"), "{error}");
    }
}

#[test]
fn repeated_name_is_refused() {
    let (first, dialer) = memory();
    let (second, _) = memory();
    let builder = Transport::builder().raw_listener("a", first);
    let error = refused(builder.raw_listener("b", second));
    assert!(error.contains("called twice"), "{error}");
    let builder = Transport::builder().raw_dialer("a", dialer.clone());
    let error = refused(builder.raw_dialer("a", dialer));
    assert!(error.contains("twice for \"a\""), "{error}");
}

#[test]
fn second_listener_is_refused() {
    let custom = || Transport::builder().raw_listener("a", memory().0);
    let error = refused(custom().bind_addr(([127, 0, 0, 1], 0).into()));
    assert!(error.contains("bind_addr is set"), "{error}");
    #[cfg(feature = "uds")]
    {
        let error = refused(custom().unix("/run/a"));
        assert!(error.contains("backend uds is set"), "{error}");
    }
    let error = refused(custom().backend(Backend::Custom("a")));
    assert!(error.contains("raw_listener"), "{error}");
}

#[tokio::test]
async fn inherited_socket_is_refused() {
    let builder = Transport::builder().raw_listener("a", memory().0);
    let transport = builder.build().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = transport.listen_on(Inherited::Tcp(socket)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("raw listener \"a\""), "{error}");
}

/// A recorder registers its series once: it must know the names.
#[cfg(feature = "prometheus")]
#[test]
fn recorder_comes_after_the_names() {
    use ron_transport::metrics::Prometheus;

    let prometheus = Prometheus::new().unwrap();
    let early = Transport::builder().recorder(prometheus.recorder());
    let error = refused(early.raw_listener("a", memory().0));
    assert!(error.contains("recorder() was called before"), "{error}");
    let transport = Transport::builder()
        .raw_listener("a", memory().0)
        .raw_dialer("b", memory().1)
        .recorder(prometheus.recorder())
        .build()
        .unwrap();
    let text = prometheus.render();
    for name in ["a", "b"] {
        let series = format!("transport_accepts_total{{backend=\"{name}\"}} 0");
        assert!(text.contains(&series), "{text}");
    }
    drop(transport);
}
