//! Any bytes as a certificate file and as a key file: neither panics, nor does the search for what
//! else they are, and of a key file no byte is left in the buffer.
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
    let mut ours = file.to_vec();
    let key = pem::private_key(&mut ours);
    assert!(ours.iter().all(|&byte| byte == 0));
    if let Ok(key) = key {
        assert!(!key.secret_der().is_empty());
    }
});
