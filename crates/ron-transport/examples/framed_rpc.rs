//! Remote calls over frames, with pipelining: a server and its client.
//!
//! `framed_rpc serve` listens as the environment says (`RON_TRANSPORT_BIND_ADDR`…) and drains on
//! SIGTERM. `framed_rpc call TARGET TEXT…` sends all texts at once and prints each answer.
//!
//! A frame is a big-endian `u32` length and its payload. The payload of a request is a big-endian
//! `u64` number and a text. Its response has the same number, a status byte and a text: 0 is an answer,
//! 1 is busy. A response with the number 0 is a goodbye: the server takes no further requests, and the
//! client ends its stream once it has all answers.
#![allow(clippy::disallowed_methods)] // This service spawns tasks of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ron_transport::{Bytes, Config, Conn, ConnFrames, FrameSender, Transport, TransportError};
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Requests of a connection that are answered at the same time.
///
/// Further ones are busy.
const MAX_REQUESTS: usize = 32;
const GOODBYE: u64 = 0;
const OK: u8 = 0;
const BUSY: u8 = 1;

/// The work: upper case, or a pause for `sleep MS`.
async fn answer(text: &str) -> String {
    if let Some(Ok(ms)) = text.strip_prefix("sleep ").map(str::parse) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    text.to_uppercase()
}

/// Serves one connection. Answers are sent as they are ready, in any order.
async fn serve(conn: Conn) -> Result<(), TransportError> {
    let (mut frames, sender) = conn.into_framed();
    let control = frames.control().clone();
    let mut requests = JoinSet::new();
    let mut until_goodbye = None;
    loop {
        tokio::select! {
            frame = frames.read_frame() => {
                let Some(frame) = frame? else { break };
                let Some((id, text)) = split_id(&frame) else { break };
                if requests.len() >= MAX_REQUESTS {
                    // The wait for room in the inbox also slows down a client that does not read.
                    sender.send(response(id, BUSY, "")).await?;
                    continue;
                }
                let (sender, text) = (sender.clone(), text.to_owned());
                // A drain waits for the response.
                let busy = control.busy();
                requests.spawn(async move {
                    let sent = sender.send(response(id, OK, &answer(&text).await)).await;
                    drop(busy);
                    sent
                });
            }
            Some(_) = requests.join_next() => {}
            () = control.draining(), if until_goodbye.is_none() => {
                // Requests on their way are still answered: the drain waits for the client's end.
                until_goodbye = Some(control.busy());
                sender.send(response(GOODBYE, OK, "")).await?;
            }
        }
    }
    while requests.join_next().await.is_some() {}
    Ok(())
}

/// Calls over one connection; clones share it.
#[derive(Clone)]
struct Client(Arc<Mutex<Calls>>);

struct Calls {
    /// `None` after a goodbye or the end of the connection.
    sender: Option<FrameSender>,
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<(u8, String)>>,
}

impl Client {
    fn new(conn: Conn) -> Self {
        let (frames, sender) = conn.into_framed();
        let client = Self(Arc::new(Mutex::new(Calls {
            sender: Some(sender),
            last_id: GOODBYE,
            waiting: HashMap::new(),
        })));
        tokio::spawn(client.clone().read(frames));
        client
    }

    /// Sends a request and waits for its response.
    ///
    /// `Busy` where this end or the server has too many requests: try again later.
    async fn call(&self, text: &str) -> Result<String, TransportError> {
        let response = {
            let mut calls = self.calls();
            let id = calls.last_id + 1;
            let sender = calls.sender.as_ref().ok_or(TransportError::Closed)?;
            sender.try_send(request(id, text))?;
            let (answered, response) = oneshot::channel();
            calls.last_id = id;
            calls.waiting.insert(id, answered);
            response
        };
        match response.await {
            Ok((BUSY, _)) => Err(TransportError::Busy),
            Ok((_, text)) => Ok(text),
            Err(_) => Err(TransportError::Closed),
        }
    }

    /// Reads responses until the end of the connection.
    async fn read(self, mut frames: ConnFrames) {
        while let Ok(Some(frame)) = frames.read_frame().await {
            let Some((id, rest)) = frame.split_first_chunk() else {
                break;
            };
            let Some((status, text)) = rest.split_first() else {
                break;
            };
            let text = String::from_utf8_lossy(text).into_owned();
            let mut calls = self.calls();
            match u64::from_be_bytes(*id) {
                // Without a sender the writer ends our direction, after the requests in its inbox.
                GOODBYE => calls.sender = None,
                id => {
                    if let Some(waits) = calls.waiting.remove(&id) {
                        let _ = waits.send((*status, text));
                    }
                }
            }
        }
        let mut calls = self.calls();
        calls.sender = None;
        calls.waiting.clear();
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits a request; `None` for an invalid one.
fn split_id(frame: &[u8]) -> Option<(u64, &str)> {
    let (id, text) = frame.split_first_chunk()?;
    let id = u64::from_be_bytes(*id);
    let text = std::str::from_utf8(text).ok()?;
    (id != GOODBYE).then_some((id, text))
}

fn request(id: u64, text: &str) -> Bytes {
    [&id.to_be_bytes(), text.as_bytes()].concat().into()
}

fn response(id: u64, status: u8, text: &str) -> Bytes {
    [&id.to_be_bytes(), &[status][..], text.as_bytes()]
        .concat()
        .into()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::loader().env_from_process().load()?.into_settings();
    let transport = Arc::new(Transport::builder().config(config).build()?);
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => {
            let mut terminate = signal(SignalKind::terminate())?;
            println!("listening on {}", transport.listen().await?);
            let serving = tokio::spawn(Arc::clone(&transport).serve_owned(serve));
            terminate.recv().await;
            let deadline = transport.config().general.drain_timeout();
            let report = transport.shutdown(deadline).await;
            serving.await??;
            println!("aborted {}", report.aborted);
        }
        ["call", target, ref texts @ ..] => {
            let client = Client::new(transport.dial(target).await?);
            let calls = texts.iter().map(|text| {
                let (client, text) = (client.clone(), (*text).to_owned());
                tokio::spawn(async move { (client.call(&text).await, text) })
            });
            for call in calls.collect::<Vec<_>>() {
                match call.await? {
                    (Ok(answer), text) => println!("{text}: {answer}"),
                    (Err(error), text) => println!("{text}: {error}"),
                }
            }
        }
        _ => return Err("usage: framed_rpc serve | call TARGET TEXT…".into()),
    }
    Ok(())
}
