//! The parts of a connection, under both runtimes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::{Backend, CloseReason, Conn, Direction, Io, Transport};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transport_testkit::Recorder;

/// A deadline that no test should reach.
const AMPLE: Duration = Duration::from_secs(5);

transport_testkit::both! {
    halves_used_in_two_tasks
    parts_keep_their_control
    peer_progress_visible_above_guard
    discarded_bytes_are_consumed
    frame_read_in_chunks
    debug_text_names_the_connection
}

/// An accepted connection, its client, and their transport.
struct Pair {
    client: TcpStream,
    conn: Conn,
    recorder: Recorder,
    _transport: Arc<Transport>,
}

impl Pair {
    async fn new() -> Self {
        let recorder = Recorder::new();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let builder = Transport::builder().bind_addr(any);
        let transport = Arc::new(builder.observer(recorder.observer()).build().unwrap());
        let addr = transport.listen().await.unwrap().socket_addr().unwrap();
        let mut incoming = transport.incoming().unwrap();
        let client = TcpStream::connect(addr).await.unwrap();
        let conn = timeout(AMPLE, incoming.next()).await.unwrap().unwrap();
        Self {
            client,
            conn,
            recorder,
            _transport: transport,
        }
    }
}

async fn halves_used_in_two_tasks() {
    let Pair {
        mut client,
        conn,
        recorder,
        _transport,
    } = Pair::new().await;
    let (id, peer) = (conn.control().id(), conn.info().peer);
    let (mut reader, mut writer) = conn.into_split();
    assert_eq!((reader.control().id(), writer.control().id()), (id, id));
    assert_eq!(reader.info().peer, peer);
    let writing = tokio::spawn(async move {
        writer.write_all(b"ab").await.unwrap();
        assert!(writer.is_write_vectored());
        let parts = [IoSlice::new(b"cd"), IoSlice::new(b"ef")];
        assert_eq!(writer.write_vectored(&parts).await.unwrap(), 4);
        writer.flush().await.unwrap();
        writer.shutdown().await.unwrap();
        writer
    });
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "abcdef");
    // The other direction is still open.
    client.write_all(b"question").await.unwrap();
    let mut question = [0; 8];
    reader.read_exact(&mut question).await.unwrap();
    assert_eq!(&question, b"question");
    let mut conn = reader.unsplit(writing.await.unwrap());
    assert_eq!(conn.control().id(), id);
    client.write_all(b"!").await.unwrap();
    assert_eq!(conn.read_u8().await.unwrap(), b'!');
    drop((client, conn));
    recorder
        .wait_for("an end in order", |s| s.closes(CloseReason::Eof) == 1)
        .await;
    assert_eq!(recorder.bytes(Backend::Tcp, Direction::In), 9);
    assert_eq!(recorder.bytes(Backend::Tcp, Direction::Out), 6);
}

async fn parts_keep_their_control() {
    let pair = Pair::new().await;
    let mut client = pair.client;
    let (mut io, info, control) = pair.conn.into_parts();
    assert_eq!(info.id, control.id());
    assert_eq!(info.backend, Backend::Tcp);
    io.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    control.cancel();
    assert!(timeout(AMPLE, io.read(&mut [0])).await.unwrap().is_err());
    let error = timeout(AMPLE, client.read(&mut [0])).await.unwrap();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(pair.recorder.closes(CloseReason::Cancelled), 1);
}

#[cfg(target_os = "linux")]
async fn peer_progress_visible_above_guard() {
    let Pair {
        mut client,
        mut conn,
        recorder,
        _transport,
    } = Pair::new().await;
    let before = conn.taken().unwrap().bytes();
    conn.write_all(&[7; 1000]).await.unwrap();
    client.read_exact(&mut [0; 1000]).await.unwrap();
    let all_taken = async {
        while conn.taken().unwrap().bytes() - before < 1000 || !conn.has_sent_all() {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, all_taken).await.unwrap();
    conn.abort();
    drop(conn);
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(recorder.closes(CloseReason::Cancelled), 1);
}

#[cfg(not(target_os = "linux"))]
async fn peer_progress_visible_above_guard() {}

async fn discarded_bytes_are_consumed() {
    let mut pair = Pair::new().await;
    pair.client.write_all(b"old").await.unwrap();
    let mut bytes = [0; 3];
    let mut discarded = 0;
    while discarded < 3 {
        let mut buf = ReadBuf::new(&mut bytes[discarded..]);
        let discard = poll_fn(|cx| pair.conn.poll_discard(cx, &mut buf));
        timeout(AMPLE, discard).await.unwrap().unwrap();
        discarded += buf.filled().len();
    }
    pair.client.write_all(b"n").await.unwrap();
    assert_eq!(pair.conn.read_u8().await.unwrap(), b'n');
}

async fn frame_read_in_chunks() {
    let pair = Pair::new().await;
    let mut client = pair.client;
    let (id, peer) = (pair.conn.control().id(), pair.conn.info().peer);
    let (mut frames, _sender) = pair.conn.into_framed();
    assert_eq!((frames.control().id(), frames.info().peer), (id, peer));
    let body = vec![7; 100_000];
    let len = u32::try_from(body.len()).unwrap();
    client.write_all(&len.to_be_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();
    client.shutdown().await.unwrap();
    let (mut read, mut chunks) = (0, 0);
    while let Some(chunk) = timeout(AMPLE, frames.read_chunk()).await.unwrap().unwrap() {
        assert_eq!((chunk.frame_len, chunk.offset), (body.len(), read));
        read += chunk.bytes.len();
        chunks += 1;
        assert_eq!(chunk.is_last(), read == body.len());
    }
    assert_eq!(read, body.len());
    assert!(chunks > 1, "the frame is longer than a chunk");
}

async fn debug_text_names_the_connection() {
    let mut pair = Pair::new().await;
    let id = format!("id: {}", pair.conn.control().id());
    pair.client.write_all(b"payload").await.unwrap();
    let text = format!("{:?}", pair.conn);
    assert!(text.starts_with("Conn {") && text.contains(&id), "{text}");
    let (reader, writer) = pair.conn.into_split();
    let conn = reader.unsplit(writer);
    let (frames, _sender) = conn.into_framed();
    let text = format!("{frames:?}");
    assert!(
        text.starts_with("ConnFrames {") && text.contains(&id),
        "{text}"
    );
    assert!(!text.contains("payload"), "{text}");
}
