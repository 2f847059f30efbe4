//! The manual page `ron-gateway.toml(5)`.

use ron_transport::config::{Config, Preset, Settings};
use ron_transport::schema::{Key, Reload};

use super::roff::Roff;
use crate::settings::Gateway;

/// Returns the page, with the keys of this build.
pub(super) fn text() -> String {
    let mut page = Roff::new("ron-gateway.toml", 5, "File Formats");
    page.name("ron-gateway.toml", "configuration of ron-gateway");
    page.heading("Synopsis");
    page.text("`/etc/ron/gateway.toml`");
    page.heading("Description");
    page.text(
        "A TOML file with the tables `[transport]` and `[gateway]`. Every key can also be set by \
         an environment variable and by a flag: a flag wins over the environment, the \
         environment over the file, the file over the default. A preset changes defaults. Of \
         several files (`--config` given more than once) a later one wins, key by key.",
    );
    page.paragraph(
        "Every mistake is reported at once, and a configuration with a mistake is never applied \
         in part. `ron-gateway check` prints each value in effect with its source.",
    );
    values(&mut page);
    page.heading("Reload");
    page.text(
        "The gateway reads its files again on SIGHUP, and when their content changes. Each key \
         below says when a change takes effect: `at once` on open connections too, \
         `for new connections`, or `after a restart`. A reload that changes a key of the last \
         kind is rejected and changes nothing.",
    );
    keys::<Config>(&mut page, "Keys of [transport]");
    keys::<Gateway>(&mut page, "Keys of [gateway]");
    presets(&mut page);
    page.heading("Examples");
    page.paragraph("TLS for a service on the same machine, reachable by strangers:");
    page.example(
        "[transport]\npreset = \"public\"\nbackend = \"tls\"\nbind_addr = \"0.0.0.0:9444\"\n\
         tls.cert_path = \"/etc/ron/cert.pem\"\ntls.key_path = \"/etc/ron/key.pem\"\n\n\
         [gateway]\nmode = \"forward\"\nforward_to = \"tcp://127.0.0.1:8080\"",
    );
    page.see(&[("ron-gateway", "1"), ("systemd.service", "5")]);
    page.into_text()
}

fn values(page: &mut Roff) {
    page.heading("Values");
    for (kind, form) in [
        (
            "duration",
            "`\"250ms\"`, `\"5s\"`, `\"2m\"`, `\"1h\"`; `0` and `off` are zero. Another number needs a unit.",
        ),
        (
            "size, byte rate",
            "`\"64KiB\"`, `\"8MiB\"`, `\"1GiB\"`, or a number of bytes; `off` is 0.",
        ),
        ("boolean", "`true`, `false`, `\"on\"`, `\"off\"`"),
        (
            "list",
            "An array; in the environment and in flags its items are separated by commas.",
        ),
        (
            "address",
            "An IP address and a port: `\"127.0.0.1:9444\"`, `\"[::1]:9444\"`.",
        ),
    ] {
        page.term(kind, form);
    }
}

fn keys<S: Settings>(page: &mut Roff, heading: &str) {
    page.heading(heading);
    let defaults = S::default();
    for key in S::all_keys() {
        page.term(&format!("`{}`", key.path), key.doc);
        let default = match defaults.value(key.path).unwrap_or_default() {
            text if text.is_empty() => "none".to_owned(),
            text => format!("`{text}`"),
        };
        page.text(&format!(
            "\nDefault: {default}. Allowed: {}. A change applies {}.",
            allowed(key),
            effect(key.reload)
        ));
        page.text(&format!(
            "\n`{}`, `{}`",
            S::env_name(key.path),
            S::flag_name(key.path)
        ));
    }
}

fn allowed(key: &Key) -> String {
    let text = key.allowed();
    if text.is_empty() {
        "any value".to_owned()
    } else {
        text
    }
}

const fn effect(reload: Reload) -> &'static str {
    match reload {
        Reload::Live => "at once",
        Reload::New => "for new connections",
        Reload::Restart => "after a restart",
    }
}

fn presets(page: &mut Roff) {
    page.heading("Presets");
    page.text("A preset sets these defaults; `server` is the default and changes none.");
    for preset in Preset::ALL {
        let values = preset.values();
        if values.is_empty() {
            continue;
        }
        let values: Vec<_> = values
            .iter()
            .map(|(path, value)| format!("`{path}` = `{value}`"))
            .collect();
        page.term(
            &format!("`{}`", preset.as_str()),
            &format!("{}.", values.join(", ")),
        );
    }
}
