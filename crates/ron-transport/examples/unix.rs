//! A Unix socket for one user.
//!
//! The kernel reports the user id of each peer.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use ron_transport::{Conn, Endpoint, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers with the identity of the peer.
async fn greet(mut conn: Conn) -> std::io::Result<()> {
    let identity = format!("{:?}", conn.info().identity);
    conn.write_all(identity.as_bytes()).await?;
    conn.shutdown().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The library refuses a directory in which other users can replace the socket.
    let dir = tempfile::tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700))?;
    let own_uid = std::fs::metadata(dir.path())?.uid();

    let path = dir.path().join("sock");
    let transport = Transport::builder()
        .unix(&path)
        .allow_uids([own_uid])
        .build()?;
    println!("listening on {}", transport.listen().await?);

    let request = async {
        let mut conn = transport.dial(Endpoint::unix(&path)).await?;
        let mut answer = String::new();
        conn.read_to_string(&mut answer).await?;
        assert_eq!(answer, format!("Uid({own_uid})"));
        println!("peer {answer}");
        drop(conn);
        transport.shutdown(Duration::from_secs(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (served, requested) = tokio::join!(transport.serve(greet), request);
    served?;
    requested?;
    assert!(!path.exists(), "the transport removes its socket");
    Ok(())
}
