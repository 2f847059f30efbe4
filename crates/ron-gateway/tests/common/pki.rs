//! Certificates and keys as files, made for one test.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use transport_testkit::pki::rcgen::{CertificateParams, DnType, PKCS_ECDSA_P256_SHA256};
use transport_testkit::pki::{Authority, PkiDir};

/// An authority, and a directory for the certificates that it issues.
pub(crate) struct Pki {
    dir: PkiDir,
    authority: Authority,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self {
            dir: PkiDir::new(),
            authority: Authority::new(),
        };
        pki.dir.write("ca.pem", &pki.authority.pem());
        pki
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.dir()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path(name)
    }

    /// Returns the path as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.file(name)
    }

    /// Returns certificate and key for this name and common name.
    pub(crate) fn issue(&self, san: &str, common_name: &str) -> (String, String) {
        self.issue_with(&[san], |params| {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        })
    }

    /// Returns certificate and key for several names.
    #[cfg(feature = "tls")]
    pub(crate) fn issue_for(&self, sans: &[&str]) -> (String, String) {
        self.issue_with(sans, |_| {})
    }

    fn issue_with(
        &self,
        sans: &[&str],
        tune: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let leaf = self
            .authority
            .leaf_with(sans, &PKCS_ECDSA_P256_SHA256, tune);
        let key = leaf.key_pem();
        (leaf.cert, key)
    }

    /// Writes a pair for `localhost`, valid for these days.
    #[cfg(feature = "tls")]
    pub(crate) fn server_until(&self, common_name: &str, days: u64) {
        let end = SystemTime::now() + Duration::from_secs(days * 86_400);
        let (cert, key) = self.issue_with(&["localhost"], |params| {
            params.not_after = end.into();
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        });
        self.write_pair(&cert, &key);
    }

    /// Writes a pair for `localhost` as `cert.pem` and `key.pem`.
    pub(crate) fn server(&self, common_name: &str) {
        let (cert, key) = self.issue("localhost", common_name);
        self.write_pair(&cert, &key);
    }

    pub(crate) fn write_pair(&self, cert: &str, key: &str) {
        self.dir.write_private("key.pem", key);
        self.dir.write_private("cert.pem", cert);
    }

    /// Writes `crl.pem`, and returns its path.
    ///
    /// The CRL is valid until the first day of a year.
    #[cfg(feature = "tls")]
    pub(crate) fn crl_until(&self, year: i32) -> String {
        let crl = self.authority.crl((2020, year), &[]);
        self.dir.write("crl.pem", &crl.pem);
        self.file("crl.pem")
    }

    /// Returns the arguments of a gateway that listens with that pair.
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

    /// Returns the arguments of a dialer that trusts the authority.
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
