//! When a server sends its tickets.
//!
//! They leave with the first answer if a request arrived with the end of the handshake, and at once
//! otherwise. No end waits for them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_core::{Backend, Dialer, Listener, Pending};
use transport_testkit::MemoryListener;
use transport_tls::PqMode;

use crate::pki;
use crate::rig::{files, ping, target, End, Rig};

/// Creates a rig with streams that buffer this many bytes.
fn rig(buffer_bytes: usize) -> Rig {
    let (files, _) = files();
    let server = pki::server(&files.server_config(), PqMode::Hybrid);
    let client = pki::client(&files.client_config(), PqMode::Hybrid);
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    let memory = (listener, dialer.buffer_bytes(buffer_bytes));
    Rig::over(memory, &server, &client)
}

const ROOMY: usize = 64 << 10;

/// Connects, with the client's request sent before the server completes its handshake.
async fn ask(rig: &mut Rig) -> (End, End) {
    let accept = async { rig.listener.accept().await?.establish().await };
    let target = target();
    let asking = async {
        let mut client = rig.dialer.dial(&target).await.unwrap();
        client.io.write_all(b"?").await.unwrap();
        client.io.flush().await.unwrap();
        client
    };
    let (server, client) = tokio::join!(accept, asking);
    (server.unwrap(), client)
}

/// Returns whether the next handshake resumes, so that a ticket has arrived.
async fn next_is_resumed(rig: &mut Rig) -> bool {
    let (server, _client) = rig.connect().await;
    server.info.resumed
}

#[tokio::test]
async fn tickets_coalesced_with_first_write() {
    let mut rig = rig(ROOMY);
    let writes = rig.listener.get_ref().writes();
    let (mut server, mut client) = ask(&mut rig).await;
    assert_eq!(writes.calls().len(), 1, "hello to finished, in one call");
    server.io.read_exact(&mut [0; 1]).await.unwrap();
    server.io.write_all(b"!").await.unwrap();
    server.io.flush().await.unwrap();
    assert_eq!(writes.calls()[1..], [2], "tickets and answer in one call");
    client.io.read_exact(&mut [0; 1]).await.unwrap();
    // Further data flows in both directions.
    ping(&mut server, &mut client).await;
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test(start_paused = true)]
async fn tickets_sent_at_once_without_request() {
    let mut rig = rig(ROOMY);
    let writes = rig.listener.get_ref().writes();
    let (_server, mut client) = rig.connect().await;
    assert_eq!(writes.calls().len(), 2);
    // The tickets arrive without further calls on the server.
    let quiet = timeout(Duration::from_millis(1), client.io.read(&mut [0; 1])).await;
    assert!(quiet.is_err());
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test]
async fn tickets_sent_at_shutdown_without_answer() {
    let mut rig = rig(ROOMY);
    let (mut server, mut client) = ask(&mut rig).await;
    server.io.read_exact(&mut [0; 1]).await.unwrap();
    server.io.shutdown().await.unwrap();
    // The stream ends with `close_notify` after the tickets.
    assert_eq!(client.io.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test]
async fn flush_sends_tickets() {
    let mut rig = rig(ROOMY);
    let (mut server, mut client) = ask(&mut rig).await;
    server.io.flush().await.unwrap();
    drop(server);
    assert!(
        client.io.read(&mut [0; 1]).await.is_err(),
        "the stream was truncated"
    );
    assert!(next_is_resumed(&mut rig).await);
}

/// A partial write within tickets or answer loses and repeats no byte.
#[tokio::test]
async fn partial_writes_lose_no_byte() {
    const ANSWER_BYTES: usize = 40_000;
    // With 48 bytes, the rest of the client's `Finished` (58 bytes) arrives with its request.
    for buffer_bytes in [48, 300, 1000, 5000] {
        let mut rig = rig(buffer_bytes);
        let writes = rig.listener.get_ref().writes();
        let (mut server, mut client) = ask(&mut rig).await;
        let before = writes.calls().len();
        server.io.read_exact(&mut [0; 1]).await.unwrap();
        let answering = async {
            server.io.write_all(&[7; ANSWER_BYTES]).await.unwrap();
            server.io.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        let (read, ()) = tokio::join!(client.io.read_to_end(&mut back), answering);
        assert_eq!(read.unwrap(), ANSWER_BYTES, "{buffer_bytes} bytes");
        assert!(back.iter().all(|byte| *byte == 7));
        assert!(writes.calls()[before] > 1, "tickets and answer in one call");
    }
}

/// No end waits for buffered bytes, at any boundary between writes.
#[tokio::test]
async fn tiny_writes_complete_handshake() {
    // At least the six bytes of the client's first answer, sent before it has read the server's
    // whole flight: rustls does not read while it has bytes to send, on both ends.
    for buffer_bytes in [7, 8, 64, 300, 1000] {
        let (mut rig, target) = (rig(buffer_bytes), target());
        for resumed in [false, true] {
            let serving = async {
                let server = rig.listener.accept().await.unwrap().establish().await;
                let mut server = server.unwrap();
                assert_eq!(server.info.resumed, resumed, "{buffer_bytes} bytes");
                let mut all = vec![0; 4096];
                server.io.read_exact(&mut all).await.unwrap();
                server.io.write_all(&all).await.unwrap();
                server.io.shutdown().await.unwrap();
            };
            let asking = async {
                let client = rig.dialer.dial(&target).await.unwrap();
                let (mut reader, mut writer) = tokio::io::split(client.io);
                let mut back = Vec::new();
                let sending = async {
                    writer.write_all(&[7; 4096]).await.unwrap();
                    writer.flush().await.unwrap();
                };
                let (read, ()) = tokio::join!(reader.read_to_end(&mut back), sending);
                assert_eq!(read.unwrap(), 4096);
                assert!(back.iter().all(|byte| *byte == 7));
            };
            tokio::join!(serving, asking);
        }
    }
}
