//! CRLs: refused peers at either end, with the kind of the error.

use std::fs;
use std::path::PathBuf;

use transport_core::TlsErrorKind as Kind;
use transport_tls::{ClientAuth, ClientTls, PqMode, Reloadable, ServerTls, TlsConfig};

use crate::pki::chain::{self, Ca, Cert};
use crate::pki::{self, Files, SERVER};
use crate::rig::{message, Rig};

pub(crate) const NOW: (i32, i32) = (2020, 2090);
pub(crate) const PAST: (i32, i32) = (2019, 2020);

pub(crate) const INTERMEDIATE: u64 = 7;
pub(crate) const LEAF: u64 = 42;

/// A root, an intermediate and a leaf.
///
/// The leaf is for a server or a client.
pub(crate) struct Chain {
    pub(crate) root: Ca,
    pub(crate) sub: Ca,
    pub(crate) leaf: Cert,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with_sub(|_| {})
    }

    fn with_sub(tune: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let root = Ca::root("root");
        let sub = chain::sub(&root, "intermediate", INTERMEDIATE, tune);
        let leaf = chain::leaf(&sub, SERVER, LEAF, &[&sub], |_| {});
        Self { root, sub, leaf }
    }

    /// Returns both CRLs without revoked certificates.
    pub(crate) fn clean(&self) -> [String; 2] {
        [self.root.crl(NOW, &[]).pem, self.sub.crl(NOW, &[]).pem]
    }
}

/// Files of both ends.
///
/// The peer under test presents the chain; the other verifies it.
pub(crate) struct Ends {
    pub(crate) files: Files,
    pub(crate) config: TlsConfig,
}

impl Ends {
    pub(crate) fn new(chain: &Chain) -> Self {
        let files = Files::empty();
        files.put("cert.pem", &chain.leaf.cert);
        files.put_key("key.pem", &chain.leaf.key_pem());
        files.put("ca.pem", &chain.root.pem());
        let mut config = files.server_config();
        config
            .set_client_auth(ClientAuth::Required)
            .set_client_ca_path(Some(files.path("ca.pem")));
        Self { files, config }
    }

    pub(crate) fn crls(&mut self, lists: &[impl AsRef<[u8]>]) -> Vec<PathBuf> {
        let paths = lists.iter().enumerate().map(|(number, list)| {
            let path = self.files.path(&format!("{number}.crl"));
            fs::write(&path, list).unwrap();
            path
        });
        let paths: Vec<_> = paths.collect();
        self.config.set_crl_path(paths.clone()).unwrap();
        paths
    }

    fn client(&self) -> transport_tls::TlsClientConfig {
        let mut client = self.files.client_config();
        client
            .set_cert_path(Some(self.files.path("cert.pem")))
            .set_key_path(Some(self.files.path("key.pem")));
        client
    }

    pub(crate) fn serving(&self) -> (Rig, Reloadable<ServerTls>) {
        let server = pki::server(&self.config, PqMode::Off);
        let client = pki::client(&self.client(), PqMode::Off);
        (Rig::new(&server, &client), server)
    }

    /// Returns the errors of server and client; `None` for an accepted chain.
    async fn verdicts(&self) -> [Option<Kind>; 2] {
        let (mut rig, _) = self.serving();
        let of_server = rig.handshake().await.0.err();
        let mut open = self.config.clone();
        open.set_client_auth(ClientAuth::Off)
            .set_client_ca_path(None)
            .set_crl_path(Vec::new())
            .unwrap();
        let mut client = self.client();
        client
            .set_crl_path(self.config.crl_path().to_vec())
            .unwrap();
        let server = pki::server(&open, PqMode::Off);
        let mut rig = Rig::new(&server, &pki::client(&client, PqMode::Off));
        let of_client = rig.handshake().await.1.err();
        [of_server, of_client].map(|error| error.map(|error| error.tls_kind().unwrap()))
    }
}

async fn verdicts(chain: &Chain, lists: &[impl AsRef<[u8]>]) -> [Option<Kind>; 2] {
    let mut ends = Ends::new(chain);
    ends.crls(lists);
    ends.verdicts().await
}

#[tokio::test]
async fn revocation_status_at_both_ends() {
    let chain = Chain::new();
    let (root, sub) = (&chain.root, &chain.sub);
    let good = chain.clean();
    let other = Ca::root("other");
    for (case, lists, verdict) in [
        ("clean", vec![&good[0], &good[1]], None),
        (
            "revoked leaf",
            vec![&good[0], &sub.crl(NOW, &[LEAF]).pem],
            Some(Kind::Revoked),
        ),
        (
            "revoked intermediate",
            vec![&root.crl(NOW, &[INTERMEDIATE]).pem, &good[1]],
            Some(Kind::Revoked),
        ),
        (
            "serial of another issuer",
            vec![
                &root.crl(NOW, &[LEAF]).pem,
                &sub.crl(NOW, &[INTERMEDIATE]).pem,
            ],
            None,
        ),
        (
            "expired, of the leaf's issuer",
            vec![&good[0], &sub.crl(PAST, &[]).pem],
            Some(Kind::CrlExpired),
        ),
        (
            "expired, of the root",
            vec![&root.crl(PAST, &[]).pem, &good[1]],
            Some(Kind::CrlExpired),
        ),
        (
            "none of the root",
            vec![&good[1]],
            Some(Kind::RevocationUnknown),
        ),
        (
            "none of the leaf's issuer",
            vec![&good[0]],
            Some(Kind::RevocationUnknown),
        ),
        (
            "of another issuer",
            vec![&good[0], &other.crl(NOW, &[]).pem],
            Some(Kind::RevocationUnknown),
        ),
        (
            "in the issuer's name, by another key",
            vec![&good[0], &sub.forged_crl(NOW).pem],
            Some(Kind::CrlInvalid),
        ),
    ] {
        assert_eq!(verdicts(&chain, &lists).await, [verdict; 2], "{case}");
    }
}

#[tokio::test]
async fn issuer_without_crl_sign_is_refused() {
    let chain = Chain::with_sub(|params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    });
    let lists = [
        chain.root.crl(NOW, &[]).pem,
        chain.sub.crl_without_permission(NOW).pem,
    ];
    assert_eq!(verdicts(&chain, &lists).await, [Some(Kind::CrlInvalid); 2]);
}

/// The newer of two CRLs of one issuer applies, in any order.
#[tokio::test]
async fn newest_crl_of_issuer_applies() {
    let chain = Chain::new();
    let root = chain.root.crl(NOW, &[]).pem;
    let old = chain.sub.crl((2020, 2090), &[]).pem;
    let new = chain.sub.crl((2021, 2090), &[LEAF]).pem;
    for lists in [[&root, &old, &new], [&new, &old, &root]] {
        assert_eq!(verdicts(&chain, &lists).await, [Some(Kind::Revoked); 2]);
    }
    let lifted = chain.sub.crl((2022, 2090), &[]).pem;
    assert_eq!(verdicts(&chain, &[&root, &new, &lifted]).await, [None; 2]);
}

#[tokio::test]
async fn pem_bundle_and_der_are_read() {
    let chain = Chain::new();
    let bundle = format!("a comment\n{}{}", chain.leaf.cert, chain.clean().concat());
    assert_eq!(verdicts(&chain, &[bundle]).await, [None; 2]);
    let ders = [
        chain.root.crl(NOW, &[]).der,
        chain.sub.crl(NOW, &[LEAF]).der,
    ];
    assert_eq!(verdicts(&chain, &ders).await, [Some(Kind::Revoked); 2]);
}

/// Texts name the configuration key and the remedy.
#[tokio::test]
async fn error_texts_name_the_remedy() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    for (lists, text) in [
        (
            [
                chain.root.crl(NOW, &[]).pem,
                chain.sub.crl(NOW, &[LEAF]).pem,
            ],
            "the client's certificate is revoked",
        ),
        (
            [chain.root.crl(PAST, &[]).pem, chain.sub.crl(PAST, &[]).pem],
            "install the issuer's current CRL",
        ),
        (
            [chain.root.crl(NOW, &[]).pem, chain.root.crl(NOW, &[]).pem],
            "install the CRLs of all issuers",
        ),
    ] {
        ends.crls(&lists);
        let error = ends.serving().0.handshake().await.0.unwrap_err();
        let said = message(&error);
        assert!(
            said.contains(text) && said.contains("tls.crl_path"),
            "{said}"
        );
    }
}

/// Encodes a CRL with these extensions and an invalid signature.
fn crl_with(extensions: &[u8]) -> Vec<u8> {
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        let mut out = vec![tag];
        match u8::try_from(len) {
            Ok(short) if short < 128 => out.push(short),
            _ => {
                let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
                out.extend([0x82, high, low]);
            }
        }
        out.extend_from_slice(content);
        out
    }
    // ecdsa-with-SHA256 (RFC 5758 §3.2).
    let algorithm = der(0x30, &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
    let name = der(
        0x30,
        &der(
            0x31,
            &der(0x30, &[&[6, 3, 0x55, 4, 3][..], &der(12, b"x")].concat()),
        ),
    );
    let tbs = [
        vec![2, 1, 1],
        algorithm.clone(),
        name,
        der(0x17, b"200101000000Z"),
        der(0x17, b"490101000000Z"),
        der(0xa0, &der(0x30, extensions)),
    ];
    let signature = der(3, &[0, 0x30, 6, 2, 1, 1, 2, 1, 1]);
    der(
        0x30,
        &[der(0x30, &tbs.concat()), algorithm, signature].concat(),
    )
}

/// CRL number 1 (RFC 5280 §5.2.3).
const NUMBER: &[u8] = &[0x30, 10, 6, 3, 0x55, 0x1d, 20, 4, 3, 2, 1, 1];
/// Delta CRL indicator, critical (§5.2.4).
const DELTA: &[u8] = &[0x30, 13, 6, 3, 0x55, 0x1d, 27, 1, 1, 0xff, 4, 3, 2, 1, 1];
/// Issuing distribution point with indirectCRL, critical (§5.2.5).
const INDIRECT: &[u8] = &[
    0x30, 15, 6, 3, 0x55, 0x1d, 28, 1, 1, 0xff, 4, 5, 0x30, 3, 0x84, 1, 0xff,
];
/// An unknown critical extension.
const UNKNOWN: &[u8] = &[0x30, 12, 6, 3, 0x55, 0x1d, 99, 1, 1, 0xff, 4, 2, 5, 0];

#[test]
fn unusable_crl_files_are_refused() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    let good = chain.sub.crl(NOW, &[]);
    let cut = good.der[..good.der.len() - 1].to_vec();
    for (file, text) in [
        (crl_with(&[NUMBER, DELTA].concat()), "is a delta CRL"),
        (crl_with(&[NUMBER, INDIRECT].concat()), "is an indirect CRL"),
        (
            crl_with(&[NUMBER, UNKNOWN].concat()),
            "has an unknown critical extension",
        ),
        (cut, "CRL 1 in it cannot be used"),
        (Vec::new(), "the file has no CRL"),
        (chain.leaf.cert.clone().into(), "the file has no CRL"),
        (
            b"-----BEGIN X509 CRL-----\n".to_vec(),
            "it is not valid PEM",
        ),
    ] {
        let path = ends.crls(&[file]).remove(0);
        let mut client = ends.client();
        client.set_crl_path(vec![path.clone()]).unwrap();
        for (key, error) in [
            (
                "tls.crl_path",
                ServerTls::load(&ends.config, PqMode::Off).unwrap_err(),
            ),
            (
                "tls_client.crl_path",
                ClientTls::load(&client, PqMode::Off).unwrap_err(),
            ),
        ] {
            let said = message(&error);
            let head = format!("tls crl read failed: {key} = {}: ", path.display());
            assert!(said.starts_with(&head) && said.contains(text), "{said}");
            assert_eq!(error.tls_kind(), Some(Kind::Config));
        }
    }
    ServerTls::load(&ends.config, PqMode::Off).unwrap_err();
    // A CRL without these extensions is accepted.
    ends.crls(&[crl_with(NUMBER)]);
    ServerTls::load(&ends.config, PqMode::Off).unwrap();
    fs::remove_file(&ends.config.crl_path()[0]).unwrap();
    let missing = ServerTls::load(&ends.config, PqMode::Off).unwrap_err();
    assert!(message(&missing).contains("No such file"), "{missing}");
}

#[test]
fn crls_without_client_certificates_are_refused() {
    let chain = Chain::new();
    let mut ends = Ends::new(&chain);
    ends.crls(&chain.clean());
    ends.config.set_client_auth(ClientAuth::Off);
    let error = ServerTls::load(&ends.config, PqMode::Off).unwrap_err();
    assert!(
        message(&error).contains("tls.crl_path needs tls.client_auth"),
        "{error}"
    );
}
