//! A public listener with TLS, and a private Unix socket.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use super::{addr_of, reload, ConfigFile};
use crate::common::{connect, echoes, round_trip, Pki, Start, PATIENCE};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// Number of reloads, each of which changes the private listener only.
const RELOADS: u32 = 200;

fn ask_private(path: &Path) {
    let mut private = UnixStream::connect(path).unwrap();
    private.set_read_timeout(Some(PATIENCE)).unwrap();
    private.write_all(b"private").unwrap();
    let mut back = [0; 7];
    private.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"private");
}

#[test]
fn reloads_of_private_keep_public_connections() {
    let pki = Pki::new();
    pki.server("one");
    fs::set_permissions(pki.dir(), fs::Permissions::from_mode(0o700)).unwrap();
    let socket = pki.path("private");
    let (cert, key) = (pki.file("cert.pem"), pki.file("key.pem"));
    let uid = rustix::process::getuid().as_raw();
    let text = |idle: u32| {
        format!(
            "[listeners.public]\nbackend = 'tls'\nbind_addr = '127.0.0.1:0'\n\
             tls.cert_path = '{cert}'\ntls.key_path = '{key}'\n\
             [listeners.private]\nbackend = 'uds'\nuds.path = '{}'\n\
             uds.allow_uids = [{uid}]\nidle_timeout = '{idle}s'\n",
            socket.display(),
        )
    };
    let file = ConfigFile::new(&text(60));
    let gateway = file.start();
    let target = format!("tls://localhost:{}", addr_of(&gateway, "public").port());
    let trust = pki.trust();
    let trust: Vec<&str> = trust.iter().map(String::as_str).collect();
    // A second gateway is the TLS client: it makes a connection of each plain one.
    let client = Start::default()
        .args(&["--forward", &target])
        .args(&trust)
        .spawn();
    let mut held: Vec<TcpStream> = (0..8).map(|_| connect(client.addr)).collect();
    assert!(held.iter_mut().all(echoes));
    for n in 0..RELOADS {
        file.write(&text(61 + n));
        reload(&gateway, "ok");
        ask_private(&socket);
        let at = n as usize % held.len();
        assert!(echoes(&mut held[at]), "reload {n}");
        assert_eq!(
            round_trip(connect(client.addr), b"new"),
            b"new",
            "reload {n}"
        );
    }
    assert!(held.iter_mut().all(echoes));
    let open = "conn_inflight{transport=\"public\",backend=\"tls\"}";
    gateway.wait_metric(open, 8);
    let ended = |reason: &str| {
        format!(
            "transport_closes_total{{transport=\"public\",backend=\"tls\",reason=\"{reason}\"}}"
        )
    };
    gateway.wait_metric(&ended("eof"), RELOADS);
    for reason in ["error", "reset", "idle", "peer_failed"] {
        gateway.wait_metric(&ended(reason), 0);
    }
    drop(held);
    gateway.stop();
}
