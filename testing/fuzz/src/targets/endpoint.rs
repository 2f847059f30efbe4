//! Dial targets.
//!
//! A parsed one prints as a text that parses to the same.

use ron_transport::Endpoint;
use transport_core::escape::is_safe;
use transport_core::Target;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let again = endpoint.to_string().parse::<Endpoint>();
            assert_eq!(again.as_ref(), Ok(&endpoint));
            let _ = endpoint.loggable();
        }
        Err(why) => {
            let shown = why.to_string();
            assert!(shown.chars().all(is_safe), "{shown:?}");
            assert!(Endpoint::parse_built_in(text).is_err());
        }
    }
    if let Ok(target) = text.parse::<Target>() {
        assert_eq!(target.to_string().parse::<Target>().as_ref(), Ok(&target));
    }
}
