//! The admin endpoint under floods: requests, exact scrapes and reloads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{spawn, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::common::{connect, echoes, ended, wait_for, Gateway};

/// Clients that pipeline requests continuously, until dropped.
struct Flood {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(to: SocketAddr, path: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(20);
        let client = || {
            let (over, request) = (Arc::clone(&over), request.clone());
            spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut conn = connect(to);
                    // The connection may be closed or evicted already.
                    let _ = conn.write_all(request.as_bytes());
                    let _ = conn.read_to_end(&mut Vec::new());
                }
            })
        };
        let clients = (0..12).map(|_| client()).collect();
        Self { over, clients }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
    }
}

#[test]
fn silent_sockets_evicted_for_a_request() {
    let gateway = Gateway::start(&[]);
    let mut silent: Vec<TcpStream> = (0..200).map(|_| connect(gateway.admin)).collect();
    let begun = Instant::now();
    assert_eq!(gateway.get("/readyz").status, 200);
    // Silent connections time out after 2 s at the earliest.
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert!(silent.iter_mut().take(150).all(ended));
    assert!(gateway.metric("ron_gateway_admin_evicted_total") >= 150.0);
    gateway.stop();
}

#[test]
fn unread_responses_evicted_for_a_request() {
    let gateway = Gateway::start(&[]);
    let unread: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut conn = connect(gateway.admin);
            let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
            conn.write_all(request).unwrap();
            conn
        })
        .collect();
    assert_eq!(gateway.get("/readyz").status, 200);
    drop(unread);
    gateway.stop();
}

/// Scrapes until the endpoint has capacity; returns the value of a series.
fn scraped(gateway: &Gateway, series: &str) -> f64 {
    let body = wait_for("a scrape", || {
        let response = gateway.get("/metrics");
        match response.status {
            200 => Some(response.body),
            status => {
                assert_eq!(status, 503);
                None
            }
        }
    });
    let start = format!("{series} ");
    let value = body.lines().find_map(|line| line.strip_prefix(&start));
    value.unwrap().parse().unwrap()
}

/// A scrape beyond the bound is refused at once.
///
/// A probe does not wait for it.
#[test]
fn readyz_is_fast_beside_60_scrapes() {
    let gateway = Gateway::start(&[]);
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut refused = 0;
    let mut took: Vec<Duration> = (0..9)
        .map(|_| {
            let scrapes: Vec<TcpStream> = (0..60)
                .map(|_| {
                    let mut conn = connect(gateway.admin);
                    conn.write_all(request).unwrap();
                    conn
                })
                .collect();
            let begun = Instant::now();
            assert_eq!(gateway.get("/readyz").status, 200);
            let took = begun.elapsed();
            for mut conn in scrapes {
                let mut response = String::new();
                // A refused scrape may be evicted before it is read.
                let _ = conn.read_to_string(&mut response);
                refused += usize::from(response.contains("\r\nretry-after: 1\r\n"));
            }
            took
        })
        .collect();
    took.sort();
    assert!(took[4] < Duration::from_millis(100), "{took:?}");
    assert!(refused > 0);
    gateway.stop();
}

#[test]
fn scrapes_are_exact_in_a_flood() {
    let gateway = Gateway::start(&[]);
    let _flood = Flood::start(gateway.admin, "/metrics");
    for count in 1..=20 {
        // A connection that echoes was accepted before.
        assert!(echoes(&mut connect(gateway.addr)));
        let seen = scraped(&gateway, "transport_accepts_total{backend=\"tcp\"}");
        assert!(
            (seen - f64::from(count)).abs() < f64::EPSILON,
            "{seen} of {count}"
        );
    }
}

#[test]
fn reload_and_readyz_work_in_a_flood() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    std::fs::write(&file, "[transport]\nmax_conns = 5\n").unwrap();
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(gateway.admin)).collect();
    for path in ["/metrics", "/status/metrics.json", "/connections"] {
        let _flood = Flood::start(gateway.admin, path);
        for _ in 0..10 {
            assert_eq!(gateway.get("/readyz").status, 200, "{path}");
        }
        let before = gateway.log().matches("event=reload result=ok").count();
        gateway.signal(Signal::HUP);
        wait_for("the reload", || {
            let now = gateway.log().matches("event=reload result=ok").count();
            (now > before).then_some(())
        });
        assert!(echoes(&mut connect(gateway.addr)));
    }
    drop(silent);
    gateway.stop();
}
