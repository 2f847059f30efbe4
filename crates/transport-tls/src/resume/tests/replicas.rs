//! Ticket keys shared by two servers, and their rotation.

use super::*;

/// Returns a line of 48 bytes in base64.
fn key_line(letter: char) -> String {
    String::from(letter).repeat(64) + "\n"
}

/// Returns settings with these ticket keys.
fn config_with_keys(world: &Fixture, keys: &str) -> TlsConfig {
    let mut config = world.server_config();
    config.set_ticket_keys_path(Some(world.put("ticket.keys", keys)));
    config
}

#[tokio::test]
async fn session_resumes_at_replica() {
    let world = Fixture::new();
    let config = config_with_keys(&world, &key_line('A'));
    let (mut one, mut two) = (world.serve(&config), world.serve(&config));
    let client = world.client();
    assert_eq!(one.meet(&client).await, Ok(false));
    assert_eq!(two.meet(&client).await, Ok(true));
    assert_eq!(one.meet(&client).await, Ok(true));
    // The ticket carries the lifetime.
    world.server.set(13 * HOUR);
    assert_eq!(two.meet(&client).await, Ok(false));
}

#[tokio::test]
async fn replica_applies_chain_expiry() {
    let world = Fixture::new();
    world.put_cert("client", &short_intermediate(&world, "client.example"));
    let config = config_with_keys(&world, &key_line('A'));
    let (mut one, mut two) = (world.serve(&config), world.serve(&config));
    let client = world.client();
    world.server.set(DAY - HOUR);
    assert_eq!(one.meet(&client).await, Ok(false));
    assert_eq!(two.meet(&client).await, Ok(true));
    world.server.set(DAY + HOUR);
    assert_eq!(two.meet(&client).await, Err(TlsErrorKind::Expired));
}

#[tokio::test]
async fn replica_with_other_trust_does_not_resume() {
    let world = Fixture::new();
    let config = config_with_keys(&world, &key_line('A'));
    let other_ca = world.put("both.pem", &(world.root.pem() + &Ca::root("other").pem()));
    let crl = world.put("root.crl", &world.root.crl((2029, 2031), &[]).pem);
    for change in [
        Box::new(|config: &mut TlsConfig| {
            config.set_client_ca_path(Some(other_ca.clone()));
        }) as Box<dyn Fn(&mut TlsConfig)>,
        Box::new(|config| {
            config.set_crl_path(vec![crl.clone()]).unwrap();
        }),
        Box::new(|config| {
            let sans = vec!["client.example".to_owned()];
            config.set_allow_sans(sans).unwrap();
        }),
        Box::new(|config| {
            config.set_client_auth(ClientAuth::Optional);
        }),
    ] {
        let mut other = config.clone();
        change(&mut other);
        let (mut one, mut two) = (world.serve(&config), world.serve(&other));
        let client = world.client();
        assert_eq!(one.meet(&client).await, Ok(false));
        assert_eq!(two.meet(&client).await, Ok(false), "{other:?}");
        assert_eq!(two.meet(&client).await, Ok(true), "{other:?}");
    }
}

#[tokio::test]
async fn rotated_ticket_keys_apply_after_refresh() {
    let world = Fixture::new();
    let mut server = world.serve(&config_with_keys(&world, &key_line('A')));
    let client = world.client();
    assert_eq!(server.meet(&client).await, Ok(false));
    world.put("ticket.keys", &(key_line('B') + &key_line('A')));
    assert!(ServerTls::refresh(&server.live).unwrap());
    assert_eq!(server.meet(&client).await, Ok(true), "the old key decrypts");
    world.put("ticket.keys", &key_line('B'));
    assert!(ServerTls::refresh(&server.live).unwrap());
    assert_eq!(
        server.meet(&client).await,
        Ok(true),
        "encrypted with the new key"
    );
    world.put("ticket.keys", &key_line('C'));
    assert!(ServerTls::refresh(&server.live).unwrap());
    assert_eq!(server.meet(&client).await, Ok(false), "its key was removed");
    // A renewed certificate keeps the sessions of shared keys.
    world.put_cert(
        "server",
        &super::chain::leaf(&world.root, "server.example", 9, &[], |_| {}),
    );
    assert!(ServerTls::refresh(&server.live).unwrap());
    assert_eq!(server.meet(&client).await, Ok(true));
}

#[tokio::test]
async fn removed_ticket_key_beside_broken_pair() {
    let world = Fixture::new();
    let mut server = world.serve(&config_with_keys(&world, &key_line('A')));
    let client = world.client();
    assert_eq!(server.meet(&client).await, Ok(false));
    world.put("server.pem", "no certificate");
    world.put("ticket.keys", &key_line('B'));
    ServerTls::refresh(&server.live).unwrap_err();
    assert_eq!(server.meet(&client).await, Ok(false));
    assert_eq!(server.meet(&client).await, Ok(true));
    // An unusable key file keeps the previous keys.
    world.put("ticket.keys", "no key");
    ServerTls::refresh(&server.live).unwrap_err();
    assert_eq!(server.meet(&client).await, Ok(true));
}

#[test]
fn ticket_key_file_errors_hide_content() {
    let world = Fixture::new();
    let config = config_with_keys(&world, &key_line('A'));
    let load = || {
        ServerTls::load(&config, PqMode::Off)
            .unwrap_err()
            .to_string()
    };
    let path = world.path("ticket.keys");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let open = load();
    assert!(
        open.contains("insecure permissions: tls.ticket_keys_path"),
        "{open}"
    );
    world.put("ticket.keys", "c2VjcmV0\n");
    let short = load();
    let says = "tls key read failed: tls.ticket_keys_path: line 1 is not a key";
    assert!(
        short.contains(says) && !short.contains("c2VjcmV0"),
        "{short}"
    );
    fs::remove_file(&path).unwrap();
    let missing = load();
    assert!(
        missing.contains("No such file") && !missing.contains("ticket.keys"),
        "{missing}"
    );
    assert!(!format!("{config:?}").contains("ticket.keys"), "{config:?}");
}
