//! Loading the configuration anew. The transport says what of it can be put in force; the
//! gateway's own keys all need a restart.

use ron_transport::config::changed;
use ron_transport::Transport;

use crate::settings::Gateway;
use crate::startup::Sources;

/// Loads and applies; what is refused is counted and logged, and changes nothing.
pub(super) fn run(sources: &Sources, transport: &Transport, running: &Gateway) {
    let effective = match sources.load() {
        Ok(effective) => effective,
        Err(errors) => return transport.reload_rejected(&errors),
    };
    let fixed = changed(running, effective.gateway.settings());
    if !fixed.is_empty() {
        let keys: Vec<_> = fixed
            .iter()
            .map(|key| format!("gateway.{}", key.path))
            .collect();
        let why = format!("needs a restart: {}", keys.join(", "));
        return transport.reload_rejected(&why);
    }
    // Counted and logged there, either way.
    let _ = transport.reload(effective.transport.into_settings());
}
