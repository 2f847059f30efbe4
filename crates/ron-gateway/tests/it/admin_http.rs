//! HTTP of the admin endpoint: hosts, headers and hostile requests.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use tokio::time::Instant;

use crate::common::{connect, ended, exchange, Gateway, Response};

/// Deadline of a request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

fn ask(gateway: &Gateway, request: &str) -> Response {
    exchange(&mut connect(gateway.admin), request)
}

fn status_of_host(gateway: &Gateway, host: &str) -> u16 {
    let request = format!("GET /status/config.json HTTP/1.1\r\nhost: {host}\r\n\r\n");
    ask(gateway, &request).status
}

#[test]
fn foreign_host_is_rejected() {
    let gateway = Gateway::start(&["--gateway.admin-hosts", "Gateway.Example,status"]);
    let own = gateway.admin.to_string();
    for host in [
        &own,
        "127.0.0.1",
        "[::1]:80",
        "LOCALHOST",
        "localhost:1",
        "gateway.example:9909",
        "status.",
    ] {
        assert_eq!(status_of_host(&gateway, host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:80",
        "",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "sub.gateway.example",
        "evil.example@127.0.0.1",
    ] {
        assert_eq!(status_of_host(&gateway, host), 421, "{host}");
    }
    // Any path is rejected, including that of a page which cancels.
    for path in ["/", "/metrics", "/readyz", "/nothing", "/connections"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
        let refused = ask(&gateway, &request);
        assert_eq!(refused.status, 421, "{path}");
        assert!(refused.body.contains("admin_hosts"), "{}", refused.body);
    }
    let absolute = "GET http://evil.example/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(ask(&gateway, absolute).status, 421);
    gateway.stop();
}

#[test]
fn host_optional_in_http_1_0_only() {
    let gateway = Gateway::start(&[]);
    assert_eq!(ask(&gateway, "GET /readyz HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(ask(&gateway, "GET /readyz HTTP/1.1\r\n\r\n").status, 400);
    let foreign = "GET /readyz HTTP/1.0\r\nhost: evil.example\r\n\r\n";
    assert_eq!(ask(&gateway, foreign).status, 421);
    let two = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n";
    assert_eq!(ask(&gateway, two).status, 400);
}

#[test]
fn every_response_closes_and_forbids_sniffing() {
    let gateway = Gateway::start(&[]);
    let host = "host: localhost\r\n";
    let long = "y".repeat(20 * 1024);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\n{host}\r\n"), 200),
        (
            format!("GET /metrics HTTP/1.1\r\n{host}connection: keep-alive\r\n\r\n"),
            200,
        ),
        (format!("HEAD /status HTTP/1.1\r\n{host}\r\n"), 200),
        (format!("GET /nothing HTTP/1.1\r\n{host}\r\n"), 404),
        (format!("PUT /metrics HTTP/1.1\r\n{host}\r\n"), 405),
        (
            format!("GET /metrics HTTP/1.1\r\n{host}content-length: 1\r\n\r\n"),
            400,
        ),
        (
            format!("GET /metrics HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n"),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(),
            421,
        ),
        ("no request at all\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\n".to_owned(), 505),
        (format!("GET /{long} HTTP/1.1\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nx: {long}\r\n"), 431),
    ] {
        let answer = ask(&gateway, &request);
        let line = request.lines().next().unwrap();
        assert_eq!(answer.status, status, "{line:.60}");
        for field in [
            "connection: close",
            "x-content-type-options: nosniff",
            "content-type: ",
        ] {
            assert!(
                answer.head.contains(&format!("\r\n{field}")),
                "{}",
                answer.head
            );
        }
    }
    let refused = gateway.request("DELETE", "/metrics", "");
    assert!(
        refused.head.contains("\r\nallow: get, head\r\n"),
        "{}",
        refused.head
    );
}

#[test]
fn pipelined_requests_get_one_response() {
    let gateway = Gateway::start(&[]);
    let one = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answer = ask(&gateway, &one.repeat(50));
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    // A body that looks like a request is not parsed.
    let hidden = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{one}",
        one.len()
    );
    let answer = ask(&gateway, &hidden);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body.matches("HTTP").count(), 0, "{}", answer.body);
}

#[test]
fn trickled_head_ends_at_its_deadline() {
    let gateway = Gateway::start(&[]);
    let begun = Instant::now();
    let mut slow = connect(gateway.admin);
    let mut silent = connect(gateway.admin);
    slow.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
    // Each byte would extend a deadline per byte.
    while slow.write_all(b"y").is_ok() && begun.elapsed() < 10 * HEAD_TIMEOUT {
        sleep(Duration::from_millis(50));
    }
    let took = begun.elapsed();
    assert!(
        (HEAD_TIMEOUT..10 * HEAD_TIMEOUT).contains(&took),
        "{took:?}"
    );
    assert!(ended(&mut slow) && ended(&mut silent));
}
