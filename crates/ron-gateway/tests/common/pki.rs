//! Certificates and keys as files, made for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority, and a directory for what it issues.
pub(crate) struct Pki {
    pub(crate) dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let pki = Self {
            dir: tempfile::tempdir().unwrap(),
            authority,
        };
        fs::write(pki.path("ca.pem"), pki.authority.pem()).unwrap();
        pki
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Certificate and key of a subject with this name and common name.
    pub(crate) fn issue(&self, san: &str, common_name: &str) -> (String, String) {
        self.issue_until(san, common_name, None)
    }

    /// As [`issue`](Self::issue), for several names.
    #[cfg(feature = "tls")]
    pub(crate) fn issue_for(&self, sans: &[&str]) -> (String, String) {
        let sans: Vec<_> = sans.iter().map(ToString::to_string).collect();
        self.issued(&CertificateParams::new(sans).unwrap())
    }

    fn issue_until(
        &self,
        san: &str,
        common_name: &str,
        end: Option<SystemTime>,
    ) -> (String, String) {
        let mut params = CertificateParams::new(vec![san.to_owned()]).unwrap();
        if let Some(end) = end {
            params.not_after = end.into();
        }
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        self.issued(&params)
    }

    fn issued(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.authority).unwrap();
        (leaf.pem(), key.serialize_pem())
    }

    /// As [`server`](Self::server), valid for so many days.
    #[cfg(feature = "tls")]
    pub(crate) fn server_until(&self, common_name: &str, days: u64) {
        let end = SystemTime::now() + std::time::Duration::from_secs(days * 86_400);
        let (cert, key) = self.issue_until("localhost", common_name, Some(end));
        self.write_pair(&cert, &key);
    }

    /// Writes a pair for `localhost` as `cert.pem` and `key.pem`.
    pub(crate) fn server(&self, common_name: &str) {
        let (cert, key) = self.issue("localhost", common_name);
        self.write_pair(&cert, &key);
    }

    pub(crate) fn write_pair(&self, cert: &str, key: &str) {
        replace(&self.path("key.pem"), key);
        replace(&self.path("cert.pem"), cert);
    }

    /// What makes a gateway listen with that pair.
    pub(crate) fn listen(&self) -> Vec<String> {
        let (cert, key) = (self.file("cert.pem"), self.file("key.pem"));
        let pair = [
            "--transport.tls.cert-path",
            &cert,
            "--transport.tls.key-path",
            &key,
        ];
        let backend = ["--transport.backend", "tls"];
        backend
            .iter()
            .chain(&pair)
            .map(ToString::to_string)
            .collect()
    }

    /// What makes a dialer trust the authority.
    pub(crate) fn trust(&self) -> Vec<String> {
        let ca = self.file("ca.pem");
        let store = ["--transport.tls-client.trust-store", "path"];
        let bundle = ["--transport.tls-client.ca-bundle-path", &ca];
        store
            .iter()
            .chain(&bundle)
            .map(ToString::to_string)
            .collect()
    }
}

/// Puts a private file in the place of another, at once.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, path).unwrap();
}
