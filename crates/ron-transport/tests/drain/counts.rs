//! The numbers of a drain's report.

use ron_transport::Endpoint;

use super::*;

/// Longer than it takes to close a listener.
const ANSWER_TAKES: Duration = Duration::from_millis(300);

/// Connections taken from the backlog at the drain count as open.
pub(super) async fn backlog_counts_as_open_at_drain() {
    const CLIENTS: usize = 3;
    let builder = Transport::builder().bind_addr(SocketAddr::from(([127, 0, 0, 1], 0)));
    let transport = Arc::new(builder.build().unwrap());
    let addr = transport.listen().await.unwrap().socket_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(b"?").await.unwrap();
        clients.push(client);
    }
    let handler = |mut conn: Conn| async move {
        conn.read_u8().await.unwrap();
        sleep(ANSWER_TAKES).await;
        conn.write_all(b"!").await.unwrap();
    };
    // No loop has taken a connection when the drain begins.
    let (report, served) = tokio::join!(transport.shutdown(AMPLE), transport.serve(handler));
    served.unwrap();
    assert_eq!(ends(&report), [CLIENTS, 0, 0]);
    for client in &mut clients {
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        ends_in_order(client).await;
    }
}

/// Dials after the beginning of a drain do not count.
pub(super) async fn late_dial_is_not_counted() {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to: Endpoint = format!("tcp://{}", upstream.local_addr().unwrap())
        .parse()
        .unwrap();
    let (begun, mut has_begun) = mpsc::channel(1);
    let handler = move |conn: Conn| {
        let begun = begun.clone();
        async move {
            let _busy = conn.control().busy();
            begun.send(()).await.unwrap();
            pending::<()>().await;
        }
    };
    let served = Served::start(Limits::default(), handler).await;
    let mut client = served.connect().await;
    has_begun.recv().await.unwrap();
    let _early = served.transport.dial(&to).await.unwrap();
    let draining = Arc::clone(&served.transport);
    let draining = tokio::spawn(async move { draining.shutdown(2 * ANSWER_TAKES).await });
    served.transport.draining().await;
    let late = served.transport.dial(&to).await.unwrap();
    let report = draining.await.unwrap();
    assert_eq!(ends(&report), [0, 0, 2], "the client and the early dial");
    assert!(late.control().is_ended(), "it ends with the transport");
    client.read_u8().await.unwrap_err();
}
