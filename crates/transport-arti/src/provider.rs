//! The crypto provider for Arti's TLS.

use tokio_rustls::rustls::crypto::{aws_lc_rs, CryptoProvider};

/// Makes aws-lc-rs the process-wide rustls provider, unless one is installed.
///
/// Arti uses the process default; its API accepts no provider.
pub(crate) fn install() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread has installed a provider meanwhile, which suffices.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}
