//! Trust changes and fresh CRLs that a refresh applies beside broken files.

use std::fs;

use transport_core::TlsErrorKind as Kind;
use transport_tls::{PqMode, ServerTls};

use crate::pki::chain::Ca;
use crate::pki::SERVER;
use crate::revocation::{Chain, Ends, LEAF};
use crate::rig::{message, ping, Rig};

/// Returns the server's result of the next handshake.
async fn next(rig: &mut Rig) -> Result<bool, Kind> {
    match rig.handshake().await {
        (Ok(mut server), Ok(mut client)) => {
            ping(&mut server, &mut client).await;
            Ok(server.info.resumed)
        }
        (Err(error), _) => Err(error.tls_kind().unwrap()),
        (Ok(_), Err(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn fresh_crl_applies_after_refresh() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    let paths = ends.crls(&chain.clean());
    let (mut rig, live) = ends.serving();
    assert_eq!(next(&mut rig).await, Ok(false));
    assert_eq!(next(&mut rig).await, Ok(true));
    fs::write(&paths[1], chain.sub.crl((2021, 2090), &[LEAF]).pem).unwrap();
    assert!(ServerTls::refresh(&live).unwrap());
    // The old ticket is ignored, and the full handshake is refused.
    assert_eq!(next(&mut rig).await, Err(Kind::Revoked));
    fs::write(&paths[1], chain.sub.crl((2022, 2090), &[]).pem).unwrap();
    assert!(ServerTls::refresh(&live).unwrap());
    assert_eq!(next(&mut rig).await, Ok(false));
    assert!(!ServerTls::refresh(&live).unwrap());
}

#[tokio::test]
async fn revocation_beside_broken_pair() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    let paths = ends.crls(&chain.clean());
    let (mut rig, live) = ends.serving();
    assert_eq!(next(&mut rig).await, Ok(false));
    ends.files.put_key("key.pem", &Chain::new().leaf.key_pem());
    fs::write(&paths[1], chain.sub.crl((2021, 2090), &[LEAF]).pem).unwrap();
    let error = ServerTls::refresh(&live).unwrap_err();
    assert!(
        message(&error).starts_with("tls key read failed"),
        "{error}"
    );
    assert_eq!(next(&mut rig).await, Err(Kind::Revoked));
    // The error stays, and nothing else changes.
    let before = std::sync::Arc::as_ptr(&live.get());
    ServerTls::refresh(&live).unwrap_err();
    assert_eq!(std::sync::Arc::as_ptr(&live.get()), before);
}

#[tokio::test]
async fn broken_crl_keeps_other_revocations() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    let paths = ends.crls(&chain.clean());
    let (mut rig, live) = ends.serving();
    fs::write(&paths[0], "no CRL").unwrap();
    let error = ServerTls::refresh(&live).unwrap_err();
    assert!(
        message(&error).starts_with("tls crl read failed"),
        "{error}"
    );
    assert_eq!(
        next(&mut rig).await,
        Ok(false),
        "the last good content stays"
    );
    fs::write(&paths[1], chain.sub.crl((2021, 2090), &[LEAF]).pem).unwrap();
    ServerTls::refresh(&live).unwrap_err();
    assert_eq!(next(&mut rig).await, Err(Kind::Revoked));
}

#[tokio::test]
async fn removed_authority_beside_broken_pair() {
    let chain = Chain::new();
    let ends = Ends::new(&chain);
    let (mut rig, live) = ends.serving();
    assert_eq!(next(&mut rig).await, Ok(false));
    ends.files.put("cert.pem", "no certificate");
    ends.files.put("ca.pem", &Ca::root("another").pem());
    ServerTls::refresh(&live).unwrap_err();
    assert_eq!(next(&mut rig).await, Err(Kind::UnknownCa));
}

/// The trust settings of a failed reload apply.
#[tokio::test]
async fn narrower_allow_list_beside_broken_pair() {
    let chain = Chain::new();
    let ends = Ends::new(&chain);
    let (mut rig, live) = ends.serving();
    ends.files.put("cert.pem", "no certificate");
    let mut narrower = ends.config.clone();
    narrower
        .set_allow_sans(vec!["other.example".into()])
        .unwrap();
    live.get().reconfigured(&narrower, PqMode::Off).unwrap_err();
    live.replace(live.get().reconfigured_trust(&narrower).unwrap());
    assert_eq!(next(&mut rig).await, Err(Kind::NotAllowed));
    assert!(live.get().reconfigured_trust(&narrower).is_none());
}

/// Unreadable authorities keep their settings.
#[tokio::test]
async fn allow_list_waits_for_unreadable_authorities() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    ends.config
        .set_allow_sans(vec!["other.example".into()])
        .unwrap();
    let (mut rig, live) = ends.serving();
    let mut next_config = ends.config.clone();
    next_config
        .set_client_ca_path(Some(ends.files.put("next.pem", "no certificate")))
        .set_allow_sans(vec![SERVER.into()])
        .unwrap();
    assert!(live.get().reconfigured_trust(&next_config).is_none());
    assert_eq!(next(&mut rig).await, Err(Kind::NotAllowed));
}
