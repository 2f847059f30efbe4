//! Credentials that the embedder passes in memory, in place of files.

/// Credentials that the embedder passes in memory, in place of files.
#[derive(Default)]
pub(crate) struct Credentials {
    #[cfg(feature = "tls")]
    pub(crate) server_tls: Option<transport_tls::ServerTls>,
}
