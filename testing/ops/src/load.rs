//! Peers of the gateway: honest, flooding, with oversize frames, and unfinished.
//!
//! They run until their value is dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(5);

/// Running peers.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Twenty peers with an address each, which exchange frames.
    pub(crate) fn honest(to: SocketAddr) -> Result<Self, String> {
        Self::start(move |stop| async move {
            let mut peers = JoinSet::new();
            for peer in 0..20 {
                let (from, stop) = (IpAddr::from([127, 0, 1, peer]), Arc::clone(&stop));
                peers.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        // Some faults make the gateway refuse or end.
                        let _ = timeout(PATIENCE, frames(from, to)).await;
                    }
                });
            }
            while peers.join_next().await.is_some() {}
        })
    }

    /// One address that opens connections continuously and keeps two hundred.
    pub(crate) fn hot_peer(from: IpAddr, to: SocketAddr) -> Result<Self, String> {
        Self::start(move |stop| async move {
            let mut held = std::collections::VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                if let Ok(Ok(conn)) = timeout(PATIENCE, connect(from, to)).await {
                    held.push_back(conn);
                }
                if held.len() > 200 {
                    held.pop_front();
                }
                sleep(Duration::from_millis(2)).await;
            }
        })
    }

    /// Ten connections per second, each announcing a frame of 2 MiB.
    pub(crate) fn too_large(to: SocketAddr) -> Result<Self, String> {
        Self::start(move |stop| async move {
            while !stop.load(Ordering::Relaxed) {
                let announce = async {
                    let mut conn = connect(IpAddr::from([127, 0, 0, 3]), to).await?;
                    conn.write_all(&(2_u32 << 20).to_be_bytes()).await?;
                    // Until the refusal.
                    conn.read(&mut [0; 1]).await
                };
                let _ = timeout(PATIENCE, announce).await;
                sleep(Duration::from_millis(100)).await;
            }
        })
    }

    /// A connection inside a frame, which is not idle.
    pub(crate) fn unfinished(to: SocketAddr) -> Result<Self, String> {
        Self::start(move |stop| async move {
            let begun = async {
                let mut conn = connect(IpAddr::from([127, 0, 0, 4]), to).await?;
                conn.write_all(&[0, 0, 0, 9, 1]).await?;
                std::io::Result::Ok(conn)
            };
            // Held until the end without further bytes.
            let _conn = timeout(PATIENCE, begun).await;
            while !stop.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20)).await;
            }
        })
    }

    fn start<F>(work: impl FnOnce(Arc<AtomicBool>) -> F + Send + 'static) -> Result<Self, String>
    where
        F: std::future::Future<Output = ()>,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build();
        let runtime = runtime.map_err(|e| format!("no runtime: {e}"))?;
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || runtime.block_on(work(stopping)));
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The gateway's metrics already have its results.
            let _ = thread.join();
        }
    }
}

async fn connect(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

/// Exchanges fifty frames, a second's worth.
async fn frames(from: IpAddr, to: SocketAddr) -> std::io::Result<()> {
    let mut conn = connect(from, to).await?;
    let mut frame = vec![7; 20_000];
    let body = u32::try_from(frame.len() - 4).unwrap_or_default();
    frame[..4].copy_from_slice(&body.to_be_bytes());
    let mut back = vec![0; frame.len()];
    for _ in 0..50 {
        conn.write_all(&frame).await?;
        conn.read_exact(&mut back).await?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
