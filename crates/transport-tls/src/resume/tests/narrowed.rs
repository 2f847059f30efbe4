//! Allow-lists and pins that change between a session and its resumption.

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::*;
use crate::files::sha256;
use crate::SpkiPin;

/// Returns the pin of the root's key.
fn root_pin(world: &Fixture) -> String {
    let root = CertificateDer::from_pem_slice(world.root.pem().as_bytes()).unwrap();
    let root = webpki::EndEntityCert::try_from(&root).unwrap();
    SpkiPin::new(sha256(&root.subject_public_key_info())).to_string()
}

fn other_pin() -> String {
    SpkiPin::new([7; 32]).to_string()
}

/// Returns settings with ticket keys, these names and these pins.
fn config_with_rules(world: &Fixture, sans: &[&str], pins: &[String]) -> TlsConfig {
    let mut config = world.server_config();
    let keys = world.put("ticket.keys", &("A".repeat(64) + "\n"));
    config.set_ticket_keys_path(Some(keys));
    let sans = sans.iter().map(|san| (*san).to_owned());
    config.set_allow_sans(sans.collect()).unwrap();
    config.set_spki_pins(pins.to_vec()).unwrap();
    config
}

#[tokio::test]
async fn narrowed_rules_apply_to_replica_session() {
    let world = Fixture::new();
    let pin = root_pin(&world);
    let wide = config_with_rules(&world, &["client.example", "x.example"], &[]);
    for (sans, pins, want) in [
        (&["client.example"][..], &[][..], Ok(false)),
        (&["x.example"], &[], Err(TlsErrorKind::NotAllowed)),
        (&["client.example"], std::slice::from_ref(&pin), Ok(false)),
        (
            &["client.example"],
            &[other_pin()],
            Err(TlsErrorKind::PinMismatch),
        ),
    ] {
        let (mut one, client) = (world.serve(&wide), world.client());
        assert_eq!(one.meet(&client).await, Ok(false));
        assert_eq!(one.meet(&client).await, Ok(true));
        let mut two = world.serve(&config_with_rules(&world, sans, pins));
        assert_eq!(two.meet(&client).await, want, "{sans:?} {pins:?}");
    }
}

#[tokio::test]
async fn pinned_session_resumes_at_replica() {
    let world = Fixture::new();
    let config = config_with_rules(&world, &["client.example"], &[root_pin(&world)]);
    let (mut one, mut two) = (world.serve(&config), world.serve(&config));
    let client = world.client();
    assert_eq!(one.meet(&client).await, Ok(false));
    assert_eq!(two.meet(&client).await, Ok(true));
}

#[tokio::test]
async fn narrowed_rules_apply_to_next_dial() {
    let world = Fixture::new();
    let mut server = world.serve(&world.server_config());
    let pin = root_pin(&world);
    let client = world.client_with(|config| {
        config.set_spki_pins(vec![pin.clone()]).unwrap();
    });
    for (san, pin, want) in [
        ("server.example", other_pin(), TlsErrorKind::PinMismatch),
        ("x.example", pin.clone(), TlsErrorKind::NotAllowed),
    ] {
        let client = client.clone();
        assert!(server.meet(&client).await.is_ok());
        assert_eq!(server.meet(&client).await, Ok(true));
        let mut config = world.client_config();
        config.set_allow_sans(vec![san.to_owned()]).unwrap();
        config.set_spki_pins(vec![pin]).unwrap();
        let next = client.get().reconfigured(&config, PqMode::Off).unwrap();
        let next = Reloadable::new(next.unwrap());
        assert_eq!(server.meet(&next).await, Err(want));
    }
}
