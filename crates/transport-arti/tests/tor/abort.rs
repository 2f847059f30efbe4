//! Aborted streams, from the peer's view.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_arti::raw::{ArtiDialer, ArtiIo, ArtiListener};
use transport_arti::transport_core::{Io, Listener, Pending, Target};
use transport_arti::{ArtiNet, IsolationToken};

use crate::rig::{config, pair, reach, serving, shared, skip, target, LONG};

struct Rig {
    service: ArtiNet,
    client: ArtiNet,
    listener: ArtiListener,
    to: Target,
}

impl Rig {
    async fn new() -> Self {
        let tor = shared().await;
        let (service, client) = pair(&serving(tor, 80), &config(tor)).await;
        Self {
            listener: service.listener().unwrap(),
            to: target(&service, 80),
            service,
            client,
        }
    }

    fn dialer(&self) -> ArtiDialer {
        self.client.dialer().isolated_by(IsolationToken::unique())
    }

    /// Returns both ends of a stream that has carried bytes.
    async fn stream(&mut self, dialer: &ArtiDialer) -> (ArtiIo, ArtiIo) {
        let accepted = async {
            let pending = self.listener.accept().await.unwrap();
            let mut io = pending.establish().await.unwrap().io;
            io.write_all(b"hello").await.unwrap();
            io.flush().await.unwrap();
            io
        };
        let (there, mut here) = tokio::join!(accepted, async { reach(dialer, &self.to).await.io });
        let mut hello = [0; 5];
        here.read_exact(&mut hello).await.unwrap();
        (here, there)
    }

    async fn end(self) {
        assert!(self.client.shutdown(Duration::from_secs(5)).await);
        assert!(self.service.shutdown(Duration::from_secs(5)).await);
    }
}

async fn read(io: &mut ArtiIo) -> io::Result<usize> {
    let mut byte = [0];
    let read = timeout(LONG, io.read(&mut byte));
    read.await
        .expect("neither data nor the stream's end was read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_visible_on_unshared_circuit() {
    if skip("abort_visible_on_unshared_circuit") {
        return;
    }
    let mut rig = Rig::new().await;
    let dialer = rig.dialer();
    let (mut here, mut there) = rig.stream(&dialer).await;
    here.abort();
    drop(here);
    read(&mut there).await.unwrap_err();
    // The next dial builds a new circuit. An abort by the service ends only the stream, because the
    // circuit belongs to the client.
    let (mut here, mut there) = rig.stream(&dialer).await;
    there.abort();
    drop(there);
    assert_eq!(read(&mut here).await.unwrap(), 0);
    // A shutdown remains an orderly end.
    let (mut here, mut there) = rig.stream(&dialer).await;
    here.shutdown().await.unwrap();
    drop(here);
    assert_eq!(read(&mut there).await.unwrap(), 0);
    drop(there);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_keeps_other_streams_of_circuit() {
    if skip("abort_keeps_other_streams_of_circuit") {
        return;
    }
    let mut rig = Rig::new().await;
    let dialer = rig.dialer();
    let (mut first, mut first_there) = rig.stream(&dialer).await;
    let (mut second, mut second_there) = rig.stream(&dialer).await;
    first.abort();
    drop(first);
    // The peer sees an orderly end.
    assert_eq!(read(&mut first_there).await.unwrap(), 0);
    second.write_all(b"!").await.unwrap();
    second.flush().await.unwrap();
    assert_eq!(read(&mut second_there).await.unwrap(), 1);
    drop(first_there);
    // The second stream is now alone on the circuit.
    second.abort();
    drop(second);
    read(&mut second_there).await.unwrap_err();
    rig.end().await;
}
