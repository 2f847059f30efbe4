//! Certificates and keys as files: good ones, and one of each kind that must be refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, RevokedCertParams, SerialNumber,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

type Authority = CertifiedIssuer<'static, KeyPair>;

/// The files, by name: `ca` is trusted and `stranger-ca` is not; `server`, `client` and
/// `other-name` are of `ca` and in order but for the name, `expired` is of `ca`, `stranger` and
/// `stranger-client` are of `stranger-ca`.
pub struct Pki {
    dir: PathBuf,
    authority: Authority,
    /// SHA-256 of the server's public key, as browsers pin it.
    pub server_spki: String,
}

impl Pki {
    /// Makes all of them in this directory.
    ///
    /// # Errors
    /// They cannot be made or written.
    pub fn new(dir: &Path) -> Result<Self, String> {
        Self::make(dir).map_err(|e| format!("cannot make certificates: {e}"))
    }

    fn make(dir: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut pki = Self {
            dir: dir.to_owned(),
            authority: authority("test authority")?,
            server_spki: String::new(),
        };
        let stranger = self::authority("an authority that nobody trusts")?;
        let authority = &pki.authority;
        fs::write(pki.cert("ca"), authority.pem())?;
        fs::write(pki.cert("stranger-ca"), stranger.pem())?;
        let now = SystemTime::now();
        let valid = (now - DAY, now + 300 * DAY);
        let server = pki.issue("server", authority, "localhost", Usage::ServerAuth, valid)?;
        let (other, stale) = ("other.example", (now - 60 * DAY, now - 30 * DAY));
        pki.issue("other-name", authority, other, Usage::ServerAuth, valid)?;
        pki.issue("expired", authority, "localhost", Usage::ServerAuth, stale)?;
        pki.issue("stranger", &stranger, "localhost", Usage::ServerAuth, valid)?;
        let client = "client.example";
        pki.issue("client", authority, client, Usage::ClientAuth, valid)?;
        pki.issue(
            "stranger-client",
            &stranger,
            client,
            Usage::ClientAuth,
            valid,
        )?;
        pki.server_spki = base64(&sha256(&server.subject_public_key_info()));
        Ok(pki)
    }

    /// Makes another pair as good as `server`, under this name.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn another_server(&self, name: &str) -> Result<(), String> {
        let now = SystemTime::now();
        let valid = (now - DAY, now + 300 * DAY);
        let made = self.issue(name, &self.authority, "localhost", Usage::ServerAuth, valid);
        made.map(drop)
            .map_err(|e| format!("cannot make certificates: {e}"))
    }

    /// Writes the CRL `NAME.crl` of `ca`, with these pairs revoked; its path. A fresh one is good for
    /// an hour, another one has expired an hour ago.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn crl(&self, name: &str, is_fresh: bool, revoked: &[&str]) -> Result<String, String> {
        let (now, hour) = (SystemTime::now(), DAY / 24);
        let until = if is_fresh { now + hour } else { now - hour };
        let revoked = revoked.iter().map(|file| RevokedCertParams {
            serial_number: serial(file),
            revocation_time: (now - hour).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: (now - 2 * hour).into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let failed = |e: &dyn std::fmt::Display| format!("cannot make a CRL: {e}");
        let crl = params.signed_by(&self.authority).map_err(|e| failed(&e))?;
        let pem = crl.pem().map_err(|e| failed(&e))?;
        // Never half: a gateway may look at it.
        let (path, next) = (self.file(&format!("{name}.crl")), self.file("next.crl"));
        let written = fs::write(&next, pem).and_then(|()| fs::rename(next, &path));
        written.map_err(|e| failed(&e))?;
        Ok(path)
    }

    /// The path of a certificate with its chain, or of an authority.
    pub fn cert(&self, name: &str) -> String {
        self.file(&format!("{name}.pem"))
    }

    /// The path of a private key.
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
        (from, to): (SystemTime, SystemTime),
    ) -> Result<KeyPair, Box<dyn std::error::Error>> {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        // Strict verifiers want to be told who issued it, and scanners where it would be revoked.
        params.use_authority_key_identifier_extension = true;
        let uris = vec!["http://localhost/revoked.crl".to_owned()];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        params.serial_number = Some(serial(file));
        params.not_before = from.into();
        params.not_after = to.into();
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, authority)?;
        fs::write(self.cert(file), leaf.pem() + &authority.pem())?;
        fs::write(self.key(file), key.serialize_pem())?;
        fs::set_permissions(self.key(file), fs::Permissions::from_mode(0o600))?;
        Ok(key)
    }
}

/// The serial number of the pair of this name: FNV-1a, 63 bits.
fn serial(file: &str) -> SerialNumber {
    let hash = file.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    SerialNumber::from(hash >> 1 | 1)
}

fn authority(name: &str) -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().to_vec()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |i: usize| chunk.get(i).copied().unwrap_or(0);
        let (a, b, c) = (at(0), at(1), at(2));
        let digits = [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ];
        for (n, digit) in digits.into_iter().enumerate() {
            let is_there = n <= chunk.len();
            let sign = if is_there {
                DIGITS[usize::from(digit)]
            } else {
                b'='
            };
            text.push(sign.into());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
