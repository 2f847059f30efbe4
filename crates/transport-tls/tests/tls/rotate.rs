//! Certificate rotation under a running listener, by file content.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use transport_core::PeerIdentity;
use transport_tls::{ClientTls, PqMode, ServerTls};

use crate::pki::{self, Authority, Files, Leaf, SERVER};
use crate::rig::{failure, files, message, ping, End, Rig};

/// Returns the second name of the server's certificate.
fn shown(theirs: &End) -> String {
    match &theirs.info.identity {
        PeerIdentity::Verified(identity) => identity.sans[1].clone(),
        other => panic!("the server was not verified: {other:?}"),
    }
}

fn numbered(authority: &Authority, number: usize) -> Leaf {
    authority.leaf(&[SERVER, &format!("n{number}.example")])
}

#[tokio::test]
async fn new_pair_applies_to_new_connections() {
    let authority = Authority::new();
    let files = Files::new(&authority, &numbered(&authority, 0));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let mut open = Vec::new();
    for number in 0..20 {
        if number > 0 {
            files.put_pair(&numbered(&authority, number));
            assert!(ServerTls::refresh(&server).unwrap());
        }
        assert!(
            !ServerTls::refresh(&server).unwrap(),
            "nothing changed since"
        );
        let (ours, theirs) = rig.connect().await;
        assert_eq!(shown(&theirs), format!("n{number}.example"));
        open.push((ours, theirs));
        for (ours, theirs) in &mut open {
            ping(ours, theirs).await;
        }
    }
}

#[tokio::test]
async fn half_replaced_pair_is_not_used() {
    let authority = Authority::new();
    let files = Files::new(&authority, &numbered(&authority, 0));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let next = numbered(&authority, 1);
    files.put("cert.pem", &next.cert);
    for _ in 0..2 {
        let error = ServerTls::refresh(&server).unwrap_err();
        assert!(message(&error).contains("it does not belong to the certificate"));
        assert_eq!(shown(&rig.connect().await.1), "n0.example");
    }
    files.put_key("key.pem", &next.key_pem());
    assert!(ServerTls::refresh(&server).unwrap());
    assert_eq!(shown(&rig.connect().await.1), "n1.example");
    std::fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(message(&ServerTls::refresh(&server).unwrap_err()).starts_with("tls cert read failed"));
    assert_eq!(shown(&rig.connect().await.1), "n1.example");
}

/// Kubernetes replaces the symlink `..data`.
///
/// The files of a volume lead through it.
#[tokio::test]
async fn symlink_swap_is_detected() {
    let authority = Authority::new();
    let files = Files::empty();
    files.put("ca.pem", &authority.pem());
    for number in 0..2 {
        let dir = files.path(&format!("v{number}"));
        std::fs::create_dir(&dir).unwrap();
        let leaf = numbered(&authority, number);
        files.put(&format!("v{number}/cert.pem"), &leaf.cert);
        let key = files.put(&format!("v{number}/key.pem"), &leaf.key_pem());
        pki::set_mode(&key, 0o400);
    }
    symlink("v0", files.path("..data")).unwrap();
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("..data/{name}"), files.path(name)).unwrap();
    }
    let server = pki::server(&files.server_config(), PqMode::Off);
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    assert_eq!(shown(&rig.connect().await.1), "n0.example");
    assert!(!ServerTls::refresh(&server).unwrap());
    symlink("v1", files.path("..data_tmp")).unwrap();
    std::fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
    assert!(ServerTls::refresh(&server).unwrap());
    assert_eq!(shown(&rig.connect().await.1), "n1.example");
}

#[tokio::test]
async fn rewritten_same_content_is_unchanged() {
    let authority = Authority::new();
    let leaf = numbered(&authority, 0);
    let files = Files::new(&authority, &leaf);
    let server = pki::server(&files.server_config(), PqMode::Off);
    let before = server.get();
    files.put_pair(&leaf);
    assert!(!ServerTls::refresh(&server).unwrap());
    assert!(Arc::ptr_eq(&before, &server.get()));
}

#[tokio::test]
async fn client_uses_new_bundle() {
    let (files, authority) = files();
    let server = pki::server(&files.server_config(), PqMode::Off);
    files.put("ca.pem", &Authority::new().pem());
    let client = pki::client(&files.client_config(), PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    failure(rig.handshake().await.1);
    assert!(!ClientTls::refresh(&client).unwrap());
    files.put("ca.pem", &authority.pem());
    assert!(ClientTls::refresh(&client).unwrap());
    rig.connect().await;
}

/// The pair is replaced file by file while clients dial.
///
/// No dial fails, and none receives a pair older than the one in force when it started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_fails_no_handshake() {
    const ROTATIONS: usize = 100;
    const CLIENTS: usize = 4;
    let authority = Authority::new();
    let files = Files::new(&authority, &numbered(&authority, 0));
    let server = pki::server(&files.server_config(), PqMode::Off);
    let in_force = Arc::new(AtomicUsize::new(0));
    let all_began = Arc::new(Barrier::new(CLIENTS + 1));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = pki::client(&files.client_config(), PqMode::Off);
        let mut rig = Rig::new(&server, &client);
        let (in_force, all_began) = (Arc::clone(&in_force), Arc::clone(&all_began));
        clients.spawn(async move {
            let (mut dials, mut last) = (0, 0);
            while last < ROTATIONS {
                let least = in_force.load(Ordering::SeqCst);
                let (mut ours, mut theirs) = rig.connect().await;
                ping(&mut ours, &mut theirs).await;
                let shown = shown(&theirs);
                last = shown[1..].split_once('.').unwrap().0.parse().unwrap();
                assert!(last >= least, "{last} was shown, {least} was in force");
                dials += 1;
                if dials == 1 {
                    all_began.wait().await;
                }
            }
            dials
        });
    }
    all_began.wait().await;
    for number in 1..=ROTATIONS {
        let next = numbered(&authority, number);
        files.put("cert.pem", &next.cert);
        ServerTls::refresh(&server).unwrap_err();
        files.put_key("key.pem", &next.key_pem());
        assert!(ServerTls::refresh(&server).unwrap());
        in_force.store(number, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    let dials = clients.join_all().await;
    assert!(dials.iter().all(|dials| *dials > 1), "{dials:?}");
}
