//! Certificate, key and CRL files.
//!
//! Neither the readers nor the diagnosis of other formats panic, and the buffer of a key is overwritten.

pub(crate) fn run(file: &[u8]) {
    if let Ok(certificates) = crate::pem::certificates(file) {
        assert!(!certificates.is_empty());
    }
    if let Ok(lists) = crate::pem::revocation_lists(file) {
        assert!(!lists.is_empty());
    }
    let mut buffer = file.to_vec();
    let key = crate::pem::private_key(&mut buffer);
    assert!(
        buffer.iter().all(|&byte| byte == 0),
        "the key file remains in memory"
    );
    match key {
        Ok(key) => assert!(!key.secret_der().is_empty()),
        Err(why) => assert!(!why.is_empty()),
    }
}
