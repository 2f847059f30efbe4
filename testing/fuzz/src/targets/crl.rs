//! CRL files of a TLS server, from the file to the verifier.
//!
//! A usable file has a date of expiry, and the error of another one names its key.

use std::path::PathBuf;
use std::sync::OnceLock;

use transport_testkit::pki::Authority;
use transport_tls::{ClientAuth, PqMode, ServerTls, TlsConfig};

use crate::server_pair::server_pair;

pub(crate) fn run(bytes: &[u8]) {
    let Server {
        tls, config, file, ..
    } = server();
    if let Err(why) = std::fs::write(file, bytes) {
        panic!("{}: {why}", file.display());
    }
    match tls.reconfigured(config, PqMode::Off) {
        Ok(Some(new)) => assert!(new.crl_next_update().is_some()),
        Ok(None) => panic!("a file with CRLs changes nothing"),
        Err(why) => {
            let text = why.to_string();
            assert!(text.contains("tls crl read failed"), "{text}");
            assert!(
                tls.reconfigured_trust(config).is_none(),
                "a broken file applies"
            );
        }
    }
}

struct Server {
    tls: ServerTls,
    /// The configuration with the file.
    config: TlsConfig,
    file: PathBuf,
    /// Removed at the end of the process.
    _dir: tempfile::TempDir,
}

/// Returns a server without CRLs, and a configuration with one.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let authority = Authority::root("fuzz");
        let material = server_pair(&authority).with_authorities([authority.der().to_vec().into()]);
        let mut config = TlsConfig::default();
        config.set_client_auth(ClientAuth::Required);
        let tls = ServerTls::from_material(material, &config, PqMode::Off).expect("a server");
        // Memory, if there is such a folder: the file changes with every input.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("a folder");
        let file = dir.path().join("crl");
        config.set_crl_path(vec![file.clone()]).expect("a path");
        Server {
            tls,
            config,
            file,
            _dir: dir,
        }
    })
}
