//! Parses arbitrary bytes as a certificate file and as a key file.
//!
//! Neither parser may panic, nor the diagnosis of other file formats. The key parser must zero its
//! input buffer.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/pem_diagnosis.rs"]
mod pem_diagnosis;
#[allow(dead_code)]
#[path = "../../src/pem.rs"]
mod pem;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let _ = pem::certificates(file);
    let _ = pem::revocation_lists(file);
    let mut buffer = file.to_vec();
    let key = pem::private_key(&mut buffer);
    assert!(buffer.iter().all(|&byte| byte == 0));
    if let Ok(key) = key {
        assert!(!key.secret_der().is_empty());
    }
});
