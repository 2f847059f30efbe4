//! A peer whose link goes down in mid-transfer, in both directions.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::slow::timed_out;
use super::Drill;
use crate::case::{Case, Outcome};
use ron_lab::client::{connect, echo, frame, pattern};
use ron_lab::netns::{Netns, LINK};
use ron_lab::Lab;

/// Bytes that the peer reads before its link goes down.
const READ: usize = 8 << 20;
/// The announced frame body, and the part that arrives.
const BODY: usize = 200 << 10;
const ARRIVED: usize = 100 << 10;

pub(super) const DEAD_PEER: Drill = Drill {
    name: "dead-peer",
    fault: "the peer's link goes down in the middle of a download and of an upload",
    expected: "rejected_total{reason=\"timeout\"}, op write for the download, read for the upload, each within its deadline + 10 %",
    cure: "the link comes up; the peer reconnects",
    quick: true,
    run: dead_peer,
};

fn dead_peer(lab: &Lab, case: &mut Case) -> Outcome {
    let (ours, theirs) = Netns::pair()?;
    let here = SocketAddr::from((Netns::address(1), 0));
    let source = ours.within(source)??;
    let download = lab
        .gateway()
        .bind(here)
        .within(&ours.name)
        .args(["--forward", &format!("tcp://{source}")])
        .args(["--transport.write-timeout", "2s"])
        .spawn()?;
    let upload = lab
        .gateway()
        .bind(here)
        .within(&ours.name)
        .args(["--echo-frames", "--transport.read-timeout", "2s"])
        .spawn()?;
    let to = |addr| theirs.within(|| connect(addr))?.map_err(|e| e.to_string());

    let mut reading = to(download.addr)?;
    reading
        .read_exact(&mut vec![0; READ])
        .map_err(|e| e.to_string())?;
    let mut writing = to(upload.addr)?;
    writing
        .write_all(&frame(BODY)[..ARRIVED])
        .map_err(|e| e.to_string())?;
    #[allow(clippy::cast_precision_loss)]
    upload.until("half a frame", |now| {
        now.sum("bytes_in_total") >= ARRIVED as f64
    })?;

    theirs.ip(&["link", "set", LINK, "down"])?;
    case.fault();
    timed_out(&download, case, "write", std::time::Duration::ZERO)?;
    timed_out(&upload, case, "read", std::time::Duration::ZERO)?;
    drop((reading, writing));
    case.cure();
    theirs.ip(&["link", "set", LINK, "up"])?;
    let mut again = to(upload.addr)?;
    echo(&mut again, &frame(BODY)).map_err(|e| e.to_string())?;
    case.recovered("the link is up, the peer is served");
    drop(again);
    upload.stop()?;
    download.stop()?;
    Ok(())
}

/// A server that sends endlessly on one connection.
fn source() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let addr = listener.local_addr().map_err(|e| e.to_string())?;
    thread::spawn(move || {
        let block = pattern(64 << 10);
        if let Ok((mut conn, _)) = listener.accept() {
            while conn.write_all(&block).is_ok() {}
        }
    });
    Ok(addr)
}
