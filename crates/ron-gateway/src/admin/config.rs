//! The active configuration, as the admin endpoint shows it.

use std::sync::{Mutex, PoisonError};

use ron_transport::config::{Loaded, NamedSettings, Settings};
use ron_transport::schema::Kind;
use ron_transport::Endpoint;
use serde_json::{json, Value};

use crate::effective::{source_name, EffectiveConfig};
use crate::settings::ListenerSettings;

/// Every key with its value and source, without hidden values.
///
/// A reload replaces it.
pub(crate) struct ActiveConfig(Mutex<Value>);

impl ActiveConfig {
    pub(crate) fn new(effective: &EffectiveConfig) -> Self {
        Self(Mutex::new(shown(effective)))
    }

    /// Replaces the configuration after a reload.
    pub(crate) fn set(&self, shown: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    pub(super) fn json(&self) -> Value {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

/// Returns `{"transport":[{"key":…,"value":…,"source":…}…],"gateway":[…]}`.
///
/// Each listener has a member such as `"listeners.public"`, with the keys that it may set.
pub(crate) fn shown(effective: &EffectiveConfig) -> Value {
    let mut tables = serde_json::Map::new();
    tables.insert("transport".to_owned(), entries(&effective.transport).into());
    tables.insert("gateway".to_owned(), entries(&effective.gateway).into());
    for table in &effective.listeners {
        let mut own = entries(&table.loaded);
        own.retain(|entry| {
            let key = entry["key"].as_str().unwrap_or_default();
            !ListenerSettings::is_shared(key)
        });
        tables.insert(format!("listeners.{}", table.name), own.into());
    }
    Value::Object(tables)
}

fn entries<S: Settings>(loaded: &Loaded<S>) -> Vec<Value> {
    let entry = |entry: ron_transport::config::Effective| {
        let value = match entry.key.kind {
            Kind::List => {
                let items: Vec<_> = entry.value.split(',').map(loggable).collect();
                items.join(",")
            }
            _ => entry.value,
        };
        json!({
            "key": entry.key.path,
            "value": value,
            "source": source_name(&entry.source),
        })
    };
    loaded.effective().into_iter().map(entry).collect()
}

/// Hides the onion name of an endpoint; other texts stay.
fn loggable(text: &str) -> String {
    match text.parse::<Endpoint>() {
        Ok(endpoint) => endpoint.loggable(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::startup::Sources;

    fn value(shown: &Value, table: &str, key: &str) -> Value {
        let entries = shown[table].as_array().unwrap().iter();
        let entry = entries.clone().find(|entry| entry["key"] == key);
        entry.unwrap_or_else(|| panic!("no {key}")).clone()
    }

    fn sources(flags: &[(&str, &str)]) -> Sources {
        let flag = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
        Sources {
            flags: flags.iter().map(flag).collect(),
            ..Sources::default()
        }
    }

    #[test]
    fn every_key_has_its_source() {
        let effective = sources(&[("transport.max-conns", "7")]).load().unwrap();
        let in_force = ActiveConfig::new(&effective);
        let conns = value(&in_force.json(), "transport", "max_conns");
        assert_eq!(conns["value"], "7");
        assert_eq!(conns["source"], "flag --transport.max-conns");
        let mode = value(&in_force.json(), "gateway", "mode");
        assert_eq!(
            (&mode["value"], &mode["source"]),
            (&json!("echo"), &json!("default"))
        );
        let other = sources(&[("gateway.mode", "echo_frames")]).load().unwrap();
        in_force.set(shown(&other));
        assert_eq!(
            value(&in_force.json(), "gateway", "mode")["value"],
            "echo_frames"
        );
    }

    #[cfg(feature = "tls")]
    #[test]
    fn private_key_paths_are_hidden() {
        let effective = sources(&[
            ("transport.backend", "tls"),
            ("transport.tls.cert-path", "/run/secrets/cert.pem"),
            ("transport.tls.key-path", "/run/secrets/private.pem"),
        ]);
        let shown = shown(&effective.load().unwrap());
        assert_eq!(value(&shown, "transport", "tls.key_path")["value"], "<set>");
        assert!(!shown.to_string().contains("private.pem"));
    }
}
