//! Builds Arti's configuration: Arti's own file, overridden by this crate's settings.

use std::path::{Path, PathBuf};

use arti_client::config::{CfgPath, TorClientConfigBuilder};
use arti_client::TorClientConfig;
use tor_config::ExplicitOrAuto;
use tor_config_path::arti_client_base_resolver;
use tor_keymgr::config::ArtiKeystoreKind;
use transport_core::escape::escape;
use transport_core::{open_file, read_bounded, TransportError};

use crate::error;
use crate::ram::{self, RamDir};
use crate::ArtiConfig;

/// Longest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
const CONFIG_PATH: &str = "arti.config_path";
/// Arti's default state directory.
const STATE_DIR: &str = "${ARTI_LOCAL_DATA}";
/// Arti's default cache directory.
const CACHE_DIR: &str = "${ARTI_CACHE}";

/// The settings that clients are started with.
#[derive(Debug)]
pub(crate) struct TorSettings {
    pub(crate) client: TorClientConfig,
    /// The client's state directory.
    pub(crate) state_dir: PathBuf,
    /// With amnesia: the directory of state and cache, removed on drop.
    pub(crate) _ram: Option<RamDir>,
}

/// Reads Arti's file and applies this crate's settings over it.
///
/// # Errors
/// [`TransportError::Config`] if the file or a directory cannot be used;
/// [`TransportError::Unsupported`] for pluggable transports.
pub(crate) fn load(config: &ArtiConfig, amnesia: bool) -> Result<TorSettings, TransportError> {
    let (mut builder, state_dir) = match config.config_path() {
        Some(path) => from_file(path)?,
        None => parse("")?,
    };
    let ram = amnesia.then(RamDir::create).transpose()?;
    let storage = builder.storage();
    if let Some(ram) = &ram {
        let place = |name: &str| path_literal(&ram.path().join(name));
        storage.state_dir(place("state")).cache_dir(place("cache"));
        let ephemeral = ExplicitOrAuto::Explicit(ArtiKeystoreKind::Ephemeral);
        storage.keystore().primary().kind(ephemeral);
    } else {
        if let Some(dir) = config.state_dir() {
            storage.state_dir(path_literal(dir));
        }
        if let Some(dir) = config.cache_dir() {
            storage.cache_dir(path_literal(dir));
        }
    }
    let client = builder.build().map_err(|cause| {
        error::config_by(format!("Arti rejects the configuration: {cause}"), cause)
    })?;
    let state_dir = match (&ram, config.state_dir()) {
        (Some(ram), _) => ram.path().join("state"),
        (None, Some(dir)) => dir.to_owned(),
        (None, None) => state_dir
            .path(&arti_client_base_resolver())
            .map_err(|cause| {
                error::config_by(
                    "cannot determine Arti's default state directory; set arti.state_dir",
                    cause,
                )
            })?,
    };
    Ok(TorSettings {
        client,
        state_dir,
        _ram: ram,
    })
}

/// Prevents Arti's expansion of `~` and `${…}` in a path.
fn path_literal(path: &Path) -> CfgPath {
    CfgPath::new_literal(path)
}

/// Arti's settings and their state directory.
type ParsedConfig = (TorClientConfigBuilder, CfgPath);

impl ArtiConfig {
    /// Returns the directories that Tor writes to, for a sandbox.
    ///
    /// Reads the file at `arti.config_path`, if set; ignores a file that cannot be used. With
    /// amnesia, returns the candidate parent directories in memory.
    #[must_use]
    pub fn written_dirs(&self, amnesia: bool) -> Vec<PathBuf> {
        if amnesia {
            return ram::places().collect();
        }
        let text = self.config_path().and_then(|path| text_of(path).ok());
        let table: Option<toml::Table> = text.and_then(|text| text.parse().ok());
        let storage = table.as_ref().and_then(|table| table.get("storage"));
        let place = |own: Option<&Path>, key: &str, default: &str| {
            if let Some(dir) = own {
                return Some(dir.to_owned());
            }
            let dir = storage.and_then(|storage| storage.get(key)?.as_str());
            let dir = CfgPath::new(dir.unwrap_or(default).to_owned());
            dir.path(&arti_client_base_resolver()).ok()
        };
        let state = place(self.state_dir(), "state_dir", STATE_DIR);
        let cache = place(self.cache_dir(), "cache_dir", CACHE_DIR);
        state.into_iter().chain(cache).collect()
    }
}

/// Reads the file; the error names the key and the path.
fn text_of(path: &Path) -> Result<String, TransportError> {
    let shown = escape(path.as_os_str().as_encoded_bytes()).whole();
    let failed = |cause: std::io::Error| {
        let text = format!("{CONFIG_PATH} = {shown}: {cause}");
        error::config_by(text, cause)
    };
    let bytes = open_file(path).and_then(|file| read_bounded(file, MAX_FILE_BYTES));
    let utf8 = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    String::from_utf8(bytes.map_err(failed)?).map_err(|error| failed(utf8(error)))
}

fn from_file(path: &Path) -> Result<ParsedConfig, TransportError> {
    let shown = escape(path.as_os_str().as_encoded_bytes()).whole();
    parse(&text_of(path)?).map_err(|wrong| match wrong {
        TransportError::Config { source } => {
            let text = format!("{CONFIG_PATH} = {shown}: {source}");
            error::config_by(text, source)
        }
        other => other,
    })
}

fn parse(text: &str) -> Result<ParsedConfig, TransportError> {
    let invalid = |cause: toml::de::Error| error::config_by(unquoted(cause.message()), cause);
    let table: toml::Table = text.parse().map_err(invalid)?;
    no_pluggable_transports(&table)?;
    let state_dir = table
        .get("storage")
        .and_then(|storage| storage.get("state_dir"));
    let state_dir = match state_dir.and_then(toml::Value::as_str) {
        Some(dir) => CfgPath::new(dir.to_owned()),
        None => CfgPath::new(STATE_DIR.to_owned()),
    };
    Ok((table.try_into().map_err(invalid)?, state_dir))
}

/// Removes quoted parts, which may hold a bridge's address, from a message.
fn unquoted(message: &str) -> String {
    let outside = message.split('"').step_by(2);
    outside.collect::<Vec<_>>().join("\"…\"")
}

/// Rejects pluggable transports, which are programs that Arti would run.
fn no_pluggable_transports(table: &toml::Table) -> Result<(), TransportError> {
    let Some(bridges) = table.get("bridges") else {
        return Ok(());
    };
    let lines: Vec<&str> = match bridges.get("bridges") {
        Some(toml::Value::String(lines)) => lines.lines().collect(),
        Some(toml::Value::Array(list)) => list.iter().filter_map(toml::Value::as_str).collect(),
        _ => Vec::new(),
    };
    // A bridge line begins with its address or with the name of a transport.
    let named = |line: &&str| {
        let line = line.trim();
        let line = line.strip_prefix("Bridge ").unwrap_or(line).trim_start();
        line.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    let in_tables = bridges
        .get("bridges")
        .and_then(toml::Value::as_array)
        .is_some_and(|list| list.iter().any(|bridge| bridge.get("transport").is_some()));
    if bridges.get("transports").is_some() || in_tables || lines.iter().any(named) {
        return Err(TransportError::Unsupported {
            what: format!(
                "pluggable transports ({CONFIG_PATH}): they are separate programs, which this \
                 library does not run; use bridges without a transport"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: &str = "192.0.2.83:80 $0bac39417268b96b9f514ef763fa6fba1a788956";

    #[test]
    fn plain_bridges_accepted() {
        for text in [
            format!("[bridges]\nbridges = '''\n{BRIDGE}\n'''"),
            format!("[bridges]\nbridges = ['{BRIDGE}']"),
            format!("[bridges]\nbridges = 'Bridge {BRIDGE}'"),
            String::new(),
        ] {
            parse(&text).unwrap().0.build().unwrap();
        }
    }

    #[test]
    fn pluggable_transports_refused() {
        for text in [
            format!("[bridges]\nbridges = '''\nobfs4 {BRIDGE} cert=x\n'''"),
            format!("[bridges]\nbridges = ['{BRIDGE}', 'Bridge snowflake {BRIDGE}']"),
            "[[bridges.transports]]\nprotocols = ['obfs4']\npath = '/bin/true'".to_owned(),
            "[[bridges.bridges]]\ntransport = 'obfs4'\naddrs = ['192.0.2.83:80']".to_owned(),
        ] {
            let error = parse(&text).unwrap_err();
            assert_eq!(error.kind(), "unsupported", "{text}");
            assert!(error.to_string().contains("pluggable"), "{error}");
        }
    }

    #[test]
    fn invalid_configuration_refused() {
        for text in [
            "[",
            "[storage]\ncache_dir = 7",
            "[tor_network]\nauthorities = 1",
        ] {
            assert_eq!(parse(text).unwrap_err().kind(), "config", "{text}");
        }
    }

    #[test]
    fn error_hides_bridge_address() {
        let wrong =
            "[bridges]\nbridges = ['192.0.2.83:x $0bac39417268b96b9f514ef763fa6fba1a788956']";
        let error = parse(wrong).unwrap_err().to_string();
        assert!(!error.contains("192.0.2"), "{error}");
        assert!(error.len() > 20, "{error}");
    }

    #[test]
    fn amnesia_uses_directory_in_memory() {
        let mut config = ArtiConfig::default();
        config.set_state_dir(Some("/nowhere/state".into())).unwrap();
        let settings = load(&config, true).unwrap();
        let ram = settings._ram.unwrap();
        assert!(ram.path().is_dir());
        let shown = format!("{:?}", settings.client);
        assert!(!shown.contains("/nowhere"), "{shown}");
        assert!(shown.contains(ram.path().to_str().unwrap()));
        assert!(shown.contains("Ephemeral"));
    }
}
