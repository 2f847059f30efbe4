//! Arbitrary input to the loader never panics.
//!
//! It yields a configuration or errors.

use proptest::prelude::*;
use ron_transport::config::{Config, Settings};

/// A path of a key, or a similar text.
fn any_path() -> impl Strategy<Value = String> {
    let known: Vec<_> = Config::keys()
        .iter()
        .map(|key| key.path.to_owned())
        .collect();
    prop_oneof![
        4 => prop::sample::select(known),
        1 => "[a-zA-Z_.\\[\\]0-9-]{0,20}",
        1 => any::<String>(),
    ]
}

/// A value of some kind, or any text.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[0-9]{1,22}( ?(ms|s|m|h|B|KiB|MiB|GiB))?",
        1 => "(on|off|true|false|tcp|tls|0|1)",
        1 => "[0-9a-f:.\\[\\]]{0,20}",
        2 => any::<String>(),
    ]
}

/// A TOML value, well formed or not.
fn any_toml() -> impl Strategy<Value = String> {
    let quoted = any_value().prop_map(|text| format!("{text:?}"));
    let leaf = prop_oneof![3 => quoted, 1 => any_value()].boxed();
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|v| format!("[{}]", v.join(", "))),
            inner.prop_map(|v| format!("{{ a = {v} }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_file_loads_or_is_refused(text in any::<String>()) {
        let _ = Config::loader().toml_str(text, "t").load();
    }

    #[test]
    fn any_keys_and_values_load_or_are_refused(
        entries in prop::collection::vec((any_path(), any_toml(), any::<bool>()), 0..6),
        top in "(transport|Transport|other)",
    ) {
        let mut text = format!("[{top}]\n");
        for (path, value, quote) in entries {
            let path = if quote { format!("{path:?}") } else { path };
            text.push_str(&format!("{path} = {value}\n"));
        }
        if let Ok(loaded) = Config::loader().toml_str(&text, "t").load() {
            let _ = format!("{loaded:?}");
        }
    }

    #[test]
    fn any_variable_and_flag_load_or_are_refused(
        vars in prop::collection::vec((any_path(), any_value()), 0..4),
        flags in prop::collection::vec((any_path(), any_value()), 0..4),
    ) {
        let mut loader = Config::loader();
        for (path, value) in vars {
            loader = loader.env([(Config::env_name(&path), value)]);
        }
        for (path, value) in flags {
            loader = loader.flag(format!("transport.{path}"), value);
        }
        match loader.load() {
            Ok(loaded) => {
                // The printed configuration reads back, except for paths of private keys:
                // `effective` and `Debug` hide them.
                let mut again = Config::loader();
                for line in loaded.effective() {
                    again = again.flag(Config::flag_name(line.key.path), line.value);
                }
                let again = again.load().unwrap().into_settings();
                prop_assert_eq!(format!("{again:?}"), format!("{:?}", loaded.settings()));
            }
            Err(errors) => {
                for error in &errors {
                    prop_assert!(!error.message().is_empty());
                    prop_assert!(!error.to_string().contains('\n'));
                }
            }
        }
    }
}
