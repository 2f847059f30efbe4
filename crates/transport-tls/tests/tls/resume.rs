//! Session resumption, and its end with a replaced configuration.

use transport_tls::{ClientTls, PqMode, ServerTls};

use crate::pki;
use crate::rig::{files, ping, Rig};

#[tokio::test]
async fn second_handshake_is_resumed() {
    let mut rig = Rig::plain(PqMode::Hybrid);
    for resumed in [false, true, true] {
        let (mut ours, mut theirs) = rig.connect().await;
        // The tickets arrive after the handshake, before the first bytes.
        ping(&mut ours, &mut theirs).await;
        assert_eq!((ours.info.resumed, theirs.info.resumed), (resumed, resumed));
    }
    for recorder in [&rig.accepts, &rig.dials] {
        let shakes = recorder.snapshot().tls_handshakes;
        let resumed: Vec<_> = shakes.iter().map(|shake| shake.resumed).collect();
        assert_eq!(resumed, [false, true, true]);
    }
}

#[tokio::test]
async fn replacement_prevents_resumption() {
    let (files, _) = files();
    let (server_config, client_config) = (files.server_config(), files.client_config());
    let server = pki::server(&server_config, PqMode::Off);
    let client = pki::client(&client_config, PqMode::Off);
    let mut rig = Rig::new(&server, &client);
    let mut resumes = Vec::new();
    for step in 0..6 {
        match step {
            2 => server.replace(ServerTls::load(&server_config, PqMode::Off).unwrap()),
            4 => client.replace(ClientTls::load(&client_config, PqMode::Off).unwrap()),
            _ => {}
        }
        let (mut ours, mut theirs) = rig.connect().await;
        ping(&mut ours, &mut theirs).await;
        resumes.push(ours.info.resumed);
    }
    assert_eq!(resumes, [false, true, false, true, false, true]);
}
