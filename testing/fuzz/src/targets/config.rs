//! Configuration: a file, variables and flags.
//!
//! A line `$NAME=VALUE` is a variable, `--NAME=VALUE` a flag, and the others are the file. Each input
//! yields settings or errors; printed settings load as the same ones.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ron_transport::config::{Config, ConfigErrors, Loader, NamedSettings, Settings};
use transport_core::schema::Section;

pub(crate) fn run(bytes: &[u8]) {
    let loader = loader(bytes);
    match loader.load() {
        Ok(loaded) => {
            check_reload(loaded.settings());
            let _ = format!("{loaded:?}");
        }
        Err(errors) => check(&errors),
    }
    if let Err(errors) = loader.load_with_named::<NoSettings, Named>() {
        check(&errors);
    }
}

fn loader(bytes: &[u8]) -> Loader {
    let mut loader = Config::loader();
    let mut file = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let pair = |line: &[u8]| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let os = |bytes| OsStr::from_bytes(bytes).to_owned();
            Some((os(&line[..at]), os(&line[at + 1..])))
        };
        if let Some((name, value)) = line.strip_prefix(b"$").and_then(pair) {
            loader = loader.env([(name, value)]);
        } else if let Some((name, value)) = line.strip_prefix(b"--").and_then(pair) {
            loader = loader.flag(name.to_string_lossy(), value);
        } else {
            file.extend_from_slice(line);
            file.push(b'\n');
        }
    }
    loader.toml_str(String::from_utf8_lossy(&file), "fuzz.toml")
}

/// Loads the printed settings as flags.
fn check_reload(settings: &Config) {
    let mut again = Config::loader();
    for key in Config::keys() {
        let value = settings.value(key.path).unwrap_or_default();
        again = again.flag(Config::flag_name(key.path), value);
    }
    match again.load() {
        Ok(loaded) => assert_eq!(loaded.settings(), settings),
        Err(errors) => panic!("printed settings do not load: {errors}"),
    }
}

fn check(errors: &ConfigErrors) {
    for error in errors {
        assert!(!error.message().is_empty());
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// The table of an embedder without settings.
#[derive(Default)]
struct NoSettings;

impl Settings for NoSettings {
    const TABLE: &'static str = "embedder";
    const ENV_PREFIX: &'static str = "RON_EMBEDDER_";

    fn sections(&self) -> Vec<&dyn Section> {
        Vec::new()
    }

    fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
        Vec::new()
    }
}

/// Tables `[listeners.NAME]`.
#[derive(Default)]
struct Named(Config);

impl Settings for Named {
    const TABLE: &'static str = "listeners";
    const ENV_PREFIX: &'static str = "RON_LISTENERS_";

    fn sections(&self) -> Vec<&dyn Section> {
        self.0.sections()
    }

    fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
        self.0.sections_mut()
    }
}

impl NamedSettings for Named {
    fn is_shared(path: &str) -> bool {
        path.starts_with("limits.")
    }
}
