//! Reload and drain under many busy connections.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::common::{connect, ended, pattern, refuses, wait_for, Gateway};

const OK: &str = "transport_reloads_total{result=\"ok\"}";
const REJECTED: &str = "transport_reloads_total{result=\"rejected\"}";

/// Sends blocks and checks their echo until stopped; returns their number.
async fn busy(
    to: SocketAddr,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(to).await?;
    let sent = pattern(2048);
    let mut back = vec![0; sent.len()];
    let mut blocks = 0;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&sent).await?;
        stream.read_exact(&mut back).await?;
        assert_eq!(back, sent, "another byte came back");
        blocks += 1;
        if blocks == 1 {
            served.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(blocks)
}

#[test]
fn reloads_lose_no_connection_and_no_byte() {
    const CONNS: u64 = 1000;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.toml");
    let write = |conns: u32, rest: &str| {
        let text = format!(
            "[transport]\nmax_conns = {conns}\nlimits.chunk_bytes = '{}KiB'\n\
             rates.per_conn_bytes_per_sec = '{}MiB'\n{rest}",
            4 + conns % 60,
            1 + conns % 7
        );
        // Replace the file atomically, so that readers see one version or the other.
        fs::write(dir.path().join("next"), text).unwrap();
        fs::rename(dir.path().join("next"), &file).unwrap();
    };
    write(1100, "");
    let gateway = Gateway::start(&["--config", file.to_str().unwrap()]);
    let (stop, served) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let clients = {
        let (addr, stop, served) = (gateway.addr, Arc::clone(&stop), Arc::clone(&served));
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                let mut conns = JoinSet::new();
                for _ in 0..CONNS {
                    conns.spawn(busy(addr, Arc::clone(&stop), Arc::clone(&served)));
                }
                conns.join_all().await
            })
        })
    };
    wait_for("all connections", || {
        (served.load(Ordering::Relaxed) == CONNS).then_some(())
    });
    let refused = [
        "idle_timeout = 'soon'\n",
        "tcp.backlog = 7\n",
        "no_such_key = 1\n",
        "[gateway]\ndegraded_is_ready = true\n",
        "[[[",
    ];
    for round in 0..100 {
        write(1101 + round, "");
        gateway.signal(Signal::HUP);
        gateway.wait_metric(OK, round + 1);
        write(5000 + round, refused[round as usize % refused.len()]);
        gateway.signal(Signal::HUP);
        gateway.wait_metric(REJECTED, round + 1);
    }
    stop.store(true, Ordering::Relaxed);
    let ends = clients.join().unwrap();
    assert_eq!(ends.len() as u64, CONNS);
    for blocks in ends {
        assert!(blocks.unwrap() > 1);
    }
    gateway.wait_metric(OK, 100);
    gateway.wait_metric(REJECTED, 100);
    // The last valid configuration is active: 1,200 connections fit, and no more.
    let held: Vec<_> = (0..1200).map(|_| connect(gateway.addr)).collect();
    gateway.wait_metric("conn_inflight{backend=\"tcp\"}", 1200);
    assert!(refuses(gateway.addr));
    drop(held);
    gateway.stop();
}

/// Sends blocks, half-closes, reads to the end; returns whether all came back.
async fn transfer(to: SocketAddr, blocks: u32, served: Arc<AtomicU64>) -> bool {
    let Ok(mut stream) = TcpStream::connect(to).await else {
        return false;
    };
    let sent = pattern(1024);
    let mut back = vec![0; sent.len()];
    for block in 0..blocks {
        let written = stream.write_all(&sent).await;
        if written.is_err() || stream.read_exact(&mut back).await.is_err() || back != sent {
            return false;
        }
        if block == 0 {
            served.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stream.shutdown().await.is_ok() && matches!(stream.read(&mut back).await, Ok(0))
}

#[test]
fn sigterm_drains_and_aborts_at_the_deadline() {
    /// Half of the transfers take 1.5 s, the others 20 minutes.
    const CONNS: u64 = 500;
    let gateway = Gateway::start(&["--transport.drain-timeout", "6s"]);
    let served = Arc::new(AtomicU64::new(0));
    let clients = {
        let (addr, served) = (gateway.addr, Arc::clone(&served));
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                let mut conns = JoinSet::new();
                for conn in 0..CONNS {
                    let blocks = if conn % 2 == 0 { 15 } else { 12_000 };
                    conns.spawn(transfer(addr, blocks, Arc::clone(&served)));
                }
                conns.join_all().await
            })
        })
    };
    wait_for("all transfers", || {
        (served.load(Ordering::Relaxed) == CONNS).then_some(())
    });
    let addr = gateway.addr;
    gateway.signal(Signal::TERM);
    gateway.line_with(&["event=ready", "reason=draining"]);
    // No new connection: refused while the socket exists, then by the kernel.
    let late = std::net::TcpStream::connect(addr);
    assert!(late.map_or(true, |mut stream| ended(&mut stream)));
    let (status, log, errors) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{errors}");
    let whole = clients.join().unwrap().into_iter().filter(|whole| *whole);
    assert_eq!(whole.count() as u64, CONNS / 2);
    let report = log.lines().find(|line| line.contains("event=shutdown"));
    let report = report.unwrap();
    for number in ["finished", "aborted"] {
        let half = format!(" {number}={} ", CONNS / 2);
        assert!(report.contains(&half), "{report}");
    }
    // Closes above 100 per second are sampled in the log.
    let cut = |line: &&str| line.contains("event=close") && line.contains("reason=cancelled");
    assert!(log.lines().any(|line| cut(&line)));
}
