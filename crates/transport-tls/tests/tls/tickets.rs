//! When a server's tickets go out: with its first answer where a question came along with the end
//! of the handshake, at once where none did; and never so that anybody waits for them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport_core::{Backend, Dialer, Listener, Pending};
use transport_testkit::MemoryListener;
use transport_tls::PqMode;

use crate::pki;
use crate::rig::{files, ping, target, End, Rig};

/// A rig whose streams hold this many bytes.
fn rig(buffer_bytes: usize) -> Rig {
    let (files, _) = files();
    let server = pki::server(&files.server_config(), PqMode::Hybrid);
    let client = pki::client(&files.client_config(), PqMode::Hybrid);
    let (listener, dialer) = MemoryListener::bind(Backend::Tcp);
    let memory = (listener, dialer.buffer_bytes(buffer_bytes));
    Rig::over(memory, &server, &client)
}

const ROOMY: usize = 64 << 10;

/// Both ends, where the client's question follows on the end of its handshake before the server
/// looks.
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

/// Whether the client has been given a ticket; it is told by its next handshake.
async fn next_is_resumed(rig: &mut Rig) -> bool {
    let (server, _client) = rig.connect().await;
    server.info.resumed
}

#[tokio::test]
async fn they_go_with_the_first_answer() {
    let mut rig = rig(ROOMY);
    let writes = rig.listener.get_ref().writes();
    let (mut server, mut client) = ask(&mut rig).await;
    assert_eq!(writes.calls().len(), 1, "hello to finished, in one call");
    server.io.read_exact(&mut [0; 1]).await.unwrap();
    server.io.write_all(b"!").await.unwrap();
    server.io.flush().await.unwrap();
    assert_eq!(writes.calls()[1..], [2], "tickets and answer, in one call");
    client.io.read_exact(&mut [0; 1]).await.unwrap();
    // More goes both ways, as ever.
    ping(&mut server, &mut client).await;
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test(start_paused = true)]
async fn they_go_at_once_where_nothing_was_asked() {
    let mut rig = rig(ROOMY);
    let writes = rig.listener.get_ref().writes();
    let (_server, mut client) = rig.connect().await;
    assert_eq!(writes.calls().len(), 2);
    // The server does nothing more; the client finds its tickets and no data.
    let quiet = timeout(Duration::from_millis(1), client.io.read(&mut [0; 1])).await;
    assert!(quiet.is_err());
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test]
async fn they_go_at_the_end_where_nothing_is_answered() {
    let mut rig = rig(ROOMY);
    let (mut server, mut client) = ask(&mut rig).await;
    server.io.read_exact(&mut [0; 1]).await.unwrap();
    server.io.shutdown().await.unwrap();
    // The end is honest, with all that belongs before it.
    assert_eq!(client.io.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(next_is_resumed(&mut rig).await);
}

#[tokio::test]
async fn a_flush_without_an_answer_sends_them() {
    let mut rig = rig(ROOMY);
    let (mut server, mut client) = ask(&mut rig).await;
    server.io.flush().await.unwrap();
    drop(server);
    assert!(client.io.read(&mut [0; 1]).await.is_err(), "it was cut");
    assert!(next_is_resumed(&mut rig).await);
}

/// Wherever the stream cuts the write, within the tickets or within the answer: no byte is lost or
/// comes twice.
#[tokio::test]
async fn an_answer_that_is_taken_in_parts_arrives_whole() {
    const ANSWER_BYTES: usize = 40_000;
    for buffer_bytes in [64, 300, 1000, 5000] {
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
        assert!(
            writes.calls()[before] > 1,
            "tickets and answer, in one call"
        );
    }
}

/// Whatever record, or rest of one, a write begins with: nobody waits for what is held back.
#[tokio::test]
async fn streams_that_take_a_few_bytes_at_a_time_shake_hands() {
    // Not fewer than the six of the client's first answer, which it sends before it has read all of
    // the server's: rustls reads nothing while it has something to send, on both ends.
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
