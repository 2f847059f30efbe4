//! `check`: prints the effective configuration as TOML.
//!
//! Each value has its source in a comment.

use ron_transport::config::{Effective as Entry, Loaded, NamedSettings, Settings};
use ron_transport::escape::is_safe;
use ron_transport::schema::Kind;

use crate::effective::source_name;
use crate::exit::ExitFailure;
use crate::settings::ListenerSettings;
use crate::startup::Sources;
use crate::term;

/// Validates and prints the configuration; warnings go to stderr.
pub(crate) fn run(sources: &Sources) -> Result<(), ExitFailure> {
    let effective = sources.load_to_listen()?;
    let mut text = table("transport", &effective.transport);
    text += &format!("\n{}", table("gateway", &effective.gateway));
    for listener in &effective.listeners {
        let name = format!("listeners.{}", listener.name);
        text += &format!("\n{}", own_table(&name, &listener.loaded));
    }
    term::out(&text);
    for warning in effective.warnings() {
        term::err_line(format_args!("warning: {warning}"));
    }
    Ok(())
}

/// Renders one table with aligned columns; the text loads again.
fn table<S: Settings>(name: &str, loaded: &Loaded<S>) -> String {
    render(name, &loaded.effective())
}

/// Renders the keys of a listener that it may set.
fn own_table(name: &str, loaded: &Loaded<ListenerSettings>) -> String {
    let mut entries = loaded.effective();
    entries.retain(|entry| !ListenerSettings::is_shared(entry.key.path));
    render(name, &entries)
}

fn render(name: &str, entries: &[Entry]) -> String {
    let values: Vec<String> = entries.iter().map(value).collect();
    let key_width = entries.iter().map(|e| e.key.path.len()).max().unwrap_or(0);
    let value_width = values.iter().map(|v| v.chars().count()).max().unwrap_or(0);
    let mut out = format!("[{name}]\n");
    for (entry, value) in entries.iter().zip(&values) {
        let (path, source) = (entry.key.path, source_name(&entry.source));
        out += &format!("{path:key_width$} = {value:value_width$}  # {source}\n");
    }
    out
}

fn value(entry: &Entry) -> String {
    match entry.key.kind {
        Kind::Bool | Kind::Count if !entry.value.is_empty() => entry.value.clone(),
        Kind::List | Kind::Paths => {
            let items = entry.value.split(',').map(str::trim);
            let items: Vec<_> = items.filter(|item| !item.is_empty()).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        _ => quoted(&entry.value),
    }
}

/// Returns a TOML basic string.
///
/// Its escapes are those of JSON, except for characters above U+FFFF.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match u32::from(c) {
            _ if is_safe(c) => out.push(c),
            code @ ..=0xffff => out += &format!("\\u{code:04x}"),
            code => out += &format!("\\U{code:08x}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Gateway;
    use ron_transport::config::Config;

    #[test]
    fn printed_configuration_loads_equal() {
        let text = "[transport]\nmax_conns = 5\nbind_addr = '[::1]:1'\n\
                    [gateway]\nmode = 'forward'\nforward_to = 'tcp://a:1'\nlog.level = 'debug'";
        let load = |text: &str| Config::loader().toml_str(text, "a").load_with::<Gateway>();
        let (transport, gateway) = load(text).unwrap();
        let printed = format!(
            "{}{}",
            table("transport", &transport),
            table("gateway", &gateway)
        );
        let (transport_again, gateway_again) = load(&printed).unwrap();
        assert_eq!(transport.settings(), transport_again.settings());
        assert_eq!(gateway.settings(), gateway_again.settings());
        assert!(printed.contains("# file a\n"));
    }

    #[test]
    fn columns_are_aligned() {
        let printed = table(
            "gateway",
            &Config::loader().load_section::<Gateway>().unwrap(),
        );
        let column = |line: &str| line.find("  # ").unwrap();
        let columns: Vec<_> = printed.lines().skip(1).map(column).collect();
        assert!(
            columns.len() > 3 && columns.windows(2).all(|w| w[0] <= w[1] + 60),
            "{printed}"
        );
        let signs: Vec<_> = printed.lines().skip(1).map(|line| line.find('=')).collect();
        assert!(signs.windows(2).all(|w| w[0] == w[1]), "{printed}");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(quoted("a\"b\nc\u{1b}"), r#""a\"b\nc\u001b""#);
        assert_eq!(
            quoted("\u{7f}\u{9b}\u{202e}\u{e0041}"),
            r#""\u007f\u009b\u202e\U000e0041""#
        );
    }

    #[test]
    fn escaped_values_load_equal() {
        let odd = "/a\u{7f}\u{9b}\u{202e}\u{e0041}\u{301}\n\"\\";
        let text = format!("[transport]\ntls.client_ca_path = {}\n", quoted(odd));
        let loaded = Config::loader().toml_str(&text, "a").load().unwrap();
        let entries = loaded.effective();
        let path = entries.iter().find(|e| e.key.path == "tls.client_ca_path");
        assert_eq!(path.unwrap().value, odd);
    }
}
