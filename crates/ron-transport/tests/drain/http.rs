//! hyper's HTTP/1.1 server as the handler of a draining transport.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ron_transport::{Conn, DrainReport, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{watch, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{ends, ends_in_order, Served, AMPLE};

const REQUESTS: u32 = 50;
const IDLE: usize = 5;
/// Duration of the slowest answer.
const SLOWEST: Duration = Duration::from_millis(1500);
const BODY: usize = 10_000;

/// Answers that wait for the start of the drain.
#[derive(Clone)]
struct Answers {
    asked: Arc<Semaphore>,
    may_go: watch::Receiver<bool>,
}

impl Answers {
    fn held() -> (Self, watch::Sender<bool>) {
        let (go, may_go) = watch::channel(false);
        let asked = Arc::new(Semaphore::new(0));
        (Self { asked, may_go }, go)
    }

    /// Answers `/` at once.
    ///
    /// Answers `/MILLIS` that many milliseconds after the start of the drain.
    async fn answer(
        mut self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if let Ok(millis) = request.uri().path()[1..].parse() {
            self.asked.add_permits(1);
            self.may_go.wait_for(|go| *go).await.unwrap();
            sleep(Duration::from_millis(millis)).await;
        }
        Ok(Response::new(Full::new(Bytes::from(vec![7; BODY]))))
    }

    /// Serves a connection with hyper.
    ///
    /// If `is_aware`, closes the connection when the transport drains.
    async fn serve(self, conn: Conn, is_aware: bool) {
        let control = conn.control().clone();
        let service = service_fn(move |request| self.clone().answer(request));
        let http = http1::Builder::new().serve_connection(TokioIo::new(conn), service);
        tokio::pin!(http);
        tokio::select! {
            // An error if the drain has ended the connection.
            _ = &mut http => return,
            () = control.draining(), if is_aware => http.as_mut().graceful_shutdown(),
        }
        http.await.unwrap();
    }
}

/// Sends a request.
async fn ask(client: &mut TcpStream, path: &str) {
    let request = format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Reads a whole answer.
async fn answered(client: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let mut body = vec![0; BODY];
    client.read_exact(&mut body).await?;
    assert!(head.starts_with(b"HTTP/1.1 200 "));
    assert_eq!(body, [7; BODY]);
    Ok(())
}

/// Drains with requests in flight and with idle connections.
///
/// Returns the report and the results. Each connection has received one answer before.
async fn drain_http(is_aware: bool, deadline: Duration) -> (DrainReport, Vec<std::io::Result<()>>) {
    let (answers, go) = Answers::held();
    let asked = Arc::clone(&answers.asked);
    let handler = move |conn| answers.clone().serve(conn, is_aware);
    let served = Served::start(Limits::default(), handler).await;
    let mut clients = JoinSet::new();
    for n in 0..REQUESTS {
        let mut client = served.connect().await;
        ask(&mut client, "").await;
        answered(&mut client).await.unwrap();
        let delay = SLOWEST * n / (REQUESTS - 1);
        clients.spawn(async move {
            ask(&mut client, &delay.as_millis().to_string()).await;
            answered(&mut client).await?;
            ends_in_order(&mut client).await;
            Ok(())
        });
    }
    for _ in 0..IDLE {
        let mut client = served.connect().await;
        ask(&mut client, "").await;
        answered(&mut client).await.unwrap();
        clients.spawn(async move {
            ends_in_order(&mut client).await;
            Ok(())
        });
    }
    drop(asked.acquire_many(REQUESTS).await.unwrap());
    let drain = served.transport.shutdown(deadline);
    let (report, ()) = tokio::join!(drain, async { go.send(true).unwrap() });
    served.serving.await.unwrap();
    (report, clients.join_all().await)
}

pub(crate) async fn http_answers_whole_with_graceful_shutdown() {
    let (report, clients) = drain_http(true, AMPLE).await;
    assert!(clients.iter().all(Result::is_ok), "{clients:?}");
    // hyper closes every connection itself, also idle ones.
    assert_eq!(ends(&report), [REQUESTS as usize + IDLE, 0, 0]);
}

pub(crate) async fn http_answers_whole_with_unaware_handler() {
    let (report, clients) = drain_http(false, AMPLE).await;
    assert!(clients.iter().all(Result::is_ok), "{clients:?}");
    assert_eq!(ends(&report), [0, REQUESTS as usize + IDLE, 0]);
}

pub(crate) async fn http_answers_reset_at_deadline() {
    let (answers, _go) = Answers::held();
    let asked = Arc::clone(&answers.asked);
    let handler = move |conn| answers.clone().serve(conn, true);
    let served = Served::start(Limits::default(), handler).await;
    let mut client = served.connect().await;
    ask(&mut client, "0").await;
    drop(asked.acquire().await.unwrap());
    let deadline = Duration::from_millis(200);
    let report = served.transport.shutdown(deadline).await;
    assert_eq!(ends(&report), [0, 0, 1]);
    assert!(report.took >= deadline, "{report:?}");
    assert!(report.took < deadline * 10, "{report:?}");
    let error = answered(&mut client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
