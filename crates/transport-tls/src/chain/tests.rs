use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData,
};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;
type Der = CertificateDer<'static>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn root(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    Authority::self_signed(authority_params(name), key).unwrap()
}

fn intermediate(name: &str, issuer: &Authority) -> Authority {
    let key = KeyPair::generate().unwrap();
    Authority::signed_by(authority_params(name), key, issuer).unwrap()
}

/// Returns a leaf and its public key.
fn leaf(name: &str, issuer: &Authority) -> (Der, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let leaf = params(name).signed_by(&key, issuer).unwrap();
    (leaf.der().clone(), key.subject_public_key_info())
}

fn der(authority: &Authority) -> Der {
    authority.der().clone()
}

#[test]
fn leaf_comes_first_and_issuers_follow() {
    let root = root("root");
    let (one, two) = {
        let one = intermediate("one", &root);
        let two = intermediate("two", &one);
        (one, two)
    };
    let (leaf, spki) = leaf("leaf", &two);
    let sent = vec![leaf, der(&two), der(&one), der(&root)];
    for order in [[3, 2, 1, 0], [1, 0, 2, 3], [0, 3, 1, 2], [2, 3, 0, 1]] {
        let file = order.map(|at: usize| sent[at].clone()).to_vec();
        let ordered = ordered(file, &spki).unwrap();
        assert_eq!(ordered.chain, sent, "{order:?}");
        assert!(ordered.was_reordered && ordered.unrelated == 0);
    }
    let ordered = ordered(sent.clone(), &spki).unwrap();
    assert_eq!(ordered.chain, sent);
    assert!(!ordered.was_reordered);
}

#[test]
fn unrelated_certificates_keep_position() {
    let root = root("root");
    let (leaf, spki) = leaf("leaf", &root);
    let stranger = der(&super::tests::root("stranger"));
    let file = vec![leaf.clone(), stranger.clone(), der(&root)];
    let kept = ordered(file.clone(), &spki).unwrap();
    assert_eq!(kept.chain, file);
    assert_eq!((kept.was_reordered, kept.unrelated), (false, 1));
    let file = vec![stranger.clone(), der(&root), leaf.clone()];
    let moved = ordered(file, &spki).unwrap();
    assert_eq!(moved.chain, [leaf, der(&root), stranger]);
    assert_eq!((moved.was_reordered, moved.unrelated), (true, 1));
}

#[test]
fn alternative_issuers_are_related() {
    let (old, new) = (root("old"), root("new"));
    let key = KeyPair::generate().unwrap();
    let by_old = authority_params("one")
        .signed_by(&key, &old)
        .unwrap()
        .der()
        .clone();
    let one = Authority::signed_by(authority_params("one"), key, &new).unwrap();
    let (leaf, spki) = leaf("leaf", &one);
    let file = vec![leaf, by_old, der(&one), der(&new)];
    let kept = ordered(file.clone(), &spki).unwrap();
    assert_eq!(kept.chain, file);
    assert_eq!((kept.was_reordered, kept.unrelated), (false, 0));
}

#[test]
fn issuer_with_right_key_is_chosen() {
    let root = root("root");
    let (stale, right) = (intermediate("one", &root), intermediate("one", &root));
    let (leaf, spki) = leaf("leaf", &right);
    let file = vec![der(&stale), der(&right), leaf.clone()];
    let moved = ordered(file, &spki).unwrap();
    assert_eq!(moved.chain, [leaf, der(&right), der(&stale)]);
}

#[test]
fn chain_without_key_is_none() {
    let root = root("root");
    let (leaf, _) = leaf("leaf", &root);
    let (_, other) = super::tests::leaf("other", &root);
    assert!(ordered(vec![leaf, der(&root)], &other).is_none());
    assert!(ordered(Vec::new(), &other).is_none());
}
