//! The certificates of a run, valid and invalid.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use transport_testkit::pki::rcgen::{
    BasicConstraints, CertificateRevocationListParams, CrlDistributionPoint, DnType,
    ExtendedKeyUsagePurpose as Usage, IsCa, KeyIdMethod, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, PKCS_ECDSA_P256_SHA256,
};
use transport_testkit::pki::{Authority, Leaf};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Certificate files by name.
///
/// `ca` issues `server`, `client`, `other-name` (valid, but for another name) and `expired`.
/// `stranger-ca`, which no peer trusts, issues `stranger` and `stranger-client`.
pub struct Pki {
    dir: PathBuf,
    authority: Authority,
    /// SHA-256 of the server's `SubjectPublicKeyInfo` in base64, the form that browsers pin.
    pub server_spki: String,
}

/// Validity from the first moment to the second.
type Validity = (SystemTime, SystemTime);

impl Pki {
    /// Writes all certificates and keys to a directory.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(dir: &Path) -> Result<Self, String> {
        let mut pki = Self {
            dir: dir.to_owned(),
            authority: authority("test authority"),
            server_spki: String::new(),
        };
        let stranger = authority("an authority without trust");
        put(&pki.cert("ca"), &pki.authority.pem(), 0o644)?;
        put(&pki.cert("stranger-ca"), &stranger.pem(), 0o644)?;
        let ours = &pki.authority;
        let now = SystemTime::now();
        let expired = (now - 60 * DAY, now - 30 * DAY);
        let server = pki.issue("server", ours, "localhost", Usage::ServerAuth, valid())?;
        let rows = [
            (
                "other-name",
                ours,
                "other.example",
                Usage::ServerAuth,
                valid(),
            ),
            ("expired", ours, "localhost", Usage::ServerAuth, expired),
            (
                "stranger",
                &stranger,
                "localhost",
                Usage::ServerAuth,
                valid(),
            ),
            ("client", ours, "client.example", Usage::ClientAuth, valid()),
            (
                "stranger-client",
                &stranger,
                "client.example",
                Usage::ClientAuth,
                valid(),
            ),
        ];
        for (file, authority, name, usage, validity) in rows {
            pki.issue(file, authority, name, usage, validity)?;
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &server.spki_der());
        pki.server_spki = STANDARD.encode(digest);
        Ok(pki)
    }

    /// Writes another valid server pair under this name.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn another_server(&self, name: &str) -> Result<(), String> {
        let usage = Usage::ServerAuth;
        self.issue(name, &self.authority, "localhost", usage, valid())?;
        Ok(())
    }

    /// Writes `NAME.crl` of `ca` with these pairs revoked and returns its path.
    ///
    /// A fresh CRL is valid for an hour; the other one expired an hour ago.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn crl(&self, name: &str, is_fresh: bool, revoked: &[&str]) -> Result<String, String> {
        let (now, hour) = (SystemTime::now(), DAY / 24);
        let until = if is_fresh { now + hour } else { now - hour };
        let revoked = revoked.iter().map(|file| RevokedCertParams {
            serial_number: serial(file),
            revocation_time: (now - hour).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let crl = self.authority.crl_with(&CertificateRevocationListParams {
            this_update: (now - 2 * hour).into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        });
        let path = self.file(&format!("{name}.crl"));
        put(&path, &crl.pem, 0o644)?;
        Ok(path)
    }

    /// Returns the path of a certificate chain or an authority.
    pub fn cert(&self, name: &str) -> String {
        self.file(&format!("{name}.pem"))
    }

    /// Returns the path of a private key.
    pub fn key(&self, name: &str) -> String {
        self.file(&format!("{name}.key"))
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    fn issue(
        &self,
        file: &str,
        authority: &Authority,
        name: &str,
        usage: Usage,
        (from, to): Validity,
    ) -> Result<Leaf, String> {
        let leaf = authority.leaf_with(&[name], &PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![usage];
            // Strict verifiers require the identifier of the issuer, and scanners a CRL address.
            params.use_authority_key_identifier_extension = true;
            let uris = vec!["http://localhost/revoked.crl".to_owned()];
            params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
            params.serial_number = Some(serial(file));
            params.not_before = from.into();
            params.not_after = to.into();
        });
        let leaf = leaf.with_chain(&[authority]);
        put(&self.cert(file), &leaf.cert, 0o644)?;
        put(&self.key(file), &leaf.key_pem(), 0o600)?;
        Ok(leaf)
    }
}

/// Valid since yesterday and for 300 days.
fn valid() -> Validity {
    let now = SystemTime::now();
    (now - DAY, now + 300 * DAY)
}

/// Returns the serial number for a pair: FNV-1a, 63 bits.
fn serial(file: &str) -> SerialNumber {
    let hash = file.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    SerialNumber::from(hash >> 1 | 1)
}

fn authority(name: &str) -> Authority {
    Authority::root_with(name, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    })
}

/// Replaces a file atomically, because a running gateway may read it.
fn put(path: &str, text: &str, mode: u32) -> Result<(), String> {
    let next = format!("{path}.next");
    let written = fs::write(&next, text)
        .and_then(|()| fs::set_permissions(&next, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&next, path));
    written.map_err(|e| format!("cannot write {path}: {e}"))
}
