//! The crypto provider that Arti's TLS finds.

use tokio_rustls::rustls::crypto::{aws_lc_rs, CryptoProvider};

/// Makes aws-lc-rs the process' default for rustls, unless there is a default already: Arti reads
/// that default and takes no provider of ours.
pub(crate) fn install() {
    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, and that is as good.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}
