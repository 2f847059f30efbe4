//! `.onion` names are refused before any lookup, in an error without the name.
#![allow(clippy::unwrap_used, missing_docs)]

use transport_core::{Dialer, Target, TransportError};
use transport_tcp::raw::TcpDialer;
use transport_tcp::TcpConfig;

#[tokio::test]
async fn onion_name_is_not_dialed_over_tcp() {
    let dialer = TcpDialer::new(&TcpConfig::default());
    for name in [
        "secretname.onion",
        "SECRETNAME.Onion",
        "a.secretname.onion.",
    ] {
        let refused = dialer.dial(&Target::host(name, 80).unwrap()).await;
        let error = refused.err().unwrap();
        assert!(
            matches!(error, TransportError::Unsupported { .. }),
            "{error:?}"
        );
        assert!(!error.is_retryable());
        let said = format!("{error} {error:?}").to_lowercase();
        assert!(
            !said.contains("secretname") && said.contains("tor"),
            "{said}"
        );
    }
}
