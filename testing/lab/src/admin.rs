//! The admin endpoint of a running gateway.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::connect;
use crate::scrape::Scrape;
use crate::{netns, Stop};

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The admin endpoint of a gateway; usable from any thread.
#[derive(Clone)]
pub struct Admin {
    addr: SocketAddr,
    netns: Option<String>,
}

impl Admin {
    pub(crate) fn new(addr: SocketAddr, netns: Option<String>) -> Self {
        Self { addr, netns }
    }

    /// Returns the address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns status and body of a GET request.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        let ask = || {
            let mut stream = connect(self.addr)?;
            let head = "HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(format!("GET {path} {head}").as_bytes())?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        let text = match &self.netns {
            Some(netns) => netns::within(netns, ask)?,
            None => ask(),
        };
        let text = text.map_err(|e| format!("GET {path} failed: {e}"))?;
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        status
            .zip(body)
            .ok_or_else(|| format!("not an HTTP response: {text:?}"))
    }

    /// Scrapes `/metrics`.
    pub fn scrape(&self) -> Result<Scrape, String> {
        Ok(Scrape::parse(&self.get("/metrics")?.1))
    }

    /// Runs `act`, and fails unless `/readyz` answers 200 all the time.
    pub fn ready_while<T>(&self, act: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let polling = scope.spawn(|| {
                let mut polls = 0;
                while !over.load(Ordering::Relaxed) || polls == 0 {
                    match self.get("/readyz") {
                        Ok((200, _)) => polls += 1,
                        Ok((status, body)) => return Err(format!("/readyz: {status} {body}")),
                        Err(why) => return Err(why),
                    }
                    thread::sleep(POLL_INTERVAL);
                }
                Ok(polls)
            });
            let done = {
                // After a panic too, or the polling thread would never end.
                let _over = SetOnDrop(&over);
                act()
            };
            let polled = polling
                .join()
                .map_err(|_| "the thread that polls /readyz panicked")?;
            let done = done?;
            polled?;
            Ok(done)
        })
    }
}

/// Sets a flag on drop.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
