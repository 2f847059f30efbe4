//! Rules applied to resumed sessions, which no verifier checks.

use std::slice::from_ref;

use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::time_provider::DefaultTimeProvider;
use tokio_rustls::rustls::{CertificateError, RootCertStore};

use super::*;
use crate::files::sha256;
use crate::peers::KeyPurpose;
use crate::provider::provider;
use crate::{PqMode, SpkiPin};

/// Returns the rules of one entry and one pin.
///
/// An empty entry is none.
fn check(san: &str, pin: Option<SpkiPin>) -> PeerCheck {
    let sans = [san].into_iter().filter(|san| !san.is_empty());
    let sans: Vec<_> = sans.map(|san| san.parse().unwrap()).collect();
    let rules = PeerRules::new(&sans, pin.as_slice());
    let roots = Arc::new(RootCertStore::empty());
    let anchors = Anchors::new(roots, &provider(PqMode::Off), KeyPurpose::Client);
    let clock: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
    PeerCheck::new(anchors, rules, &clock)
}

#[test]
fn resumed_session_is_judged_by_the_rules() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let leaf = params.self_signed(&key).unwrap().der().clone();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    let (own, other) = (SpkiPin::new(sha256(&spki)), SpkiPin::new([7; 32]));
    for (san, pin, allowed) in [
        ("", None, true),
        ("a.example", None, true),
        ("a.example", Some(own), true),
        ("", Some(own), true),
        ("b.example", None, false),
        ("b.example", Some(own), false),
        ("a.example", Some(other), false),
    ] {
        let judged = check(san, pin).judge_resumed(from_ref(&leaf));
        assert_eq!(judged.is_ok(), allowed, "{san} {pin:?}: {judged:?}");
    }
}

#[test]
fn resumption_without_a_certificate_is_refused() {
    assert!(check("", None).judge_resumed(&[]).is_ok());
    let judged = check("a.example", None).judge_resumed(&[]);
    assert_eq!(judged, Err(Error::NoCertificatesPresented));
    let unreadable = CertificateDer::from(vec![0x30, 0]);
    let judged = check("a.example", None).judge_resumed(from_ref(&unreadable));
    assert_eq!(
        judged,
        Err(CertificateError::ApplicationVerificationFailure.into())
    );
    let pinned = check("", Some(SpkiPin::new([7; 32])));
    let judged = pinned.judge_resumed(&[unreadable]);
    assert_eq!(judged, Err(CertificateError::BadEncoding.into()));
}
