//! The custom backends of a builder, and the rules for their names.

use transport_core::{Backend, Dialer, Listener, Target, TransportError};

use super::dialer::{CustomDialers, UnguardedDialer};
use super::listener::CustomListener;
use crate::config::{Config, COMPILED_BACKENDS};

/// The raw listener and raw dialers of a builder.
#[derive(Default)]
pub(crate) struct CustomBackends {
    listener: Option<CustomListener>,
    dialers: Vec<UnguardedDialer>,
    /// The first invalid name or repetition, for `build` to report.
    error: Option<String>,
    /// The names when the embedder set the recorder.
    recorded: Option<Vec<Backend>>,
}

impl CustomBackends {
    pub(crate) fn add_listener<L: Listener>(&mut self, name: &'static str, listener: L) {
        self.check_name("raw_listener", name);
        if self.listener.is_some() {
            self.fail("raw_listener() was called twice: a transport has one listener".to_owned());
        }
        self.listener = Some(CustomListener::new(name, listener));
    }

    pub(crate) fn add_dialer<D: Dialer>(&mut self, scheme: &'static str, dialer: D) {
        self.check_name("raw_dialer", scheme);
        if self.dialers.iter().any(|known| known.scheme() == scheme) {
            self.fail(format!("raw_dialer() was called twice for {scheme:?}"));
        }
        self.dialers.push(UnguardedDialer::new(scheme, dialer));
    }

    /// Returns the backends of the transport: compiled ones and custom ones.
    pub(crate) fn labels(&self) -> Vec<Backend> {
        let listener = self.listener.as_ref().map(CustomListener::name);
        let schemes = self.dialers.iter().map(UnguardedDialer::scheme);
        let mut labels = COMPILED_BACKENDS.to_vec();
        for name in listener.into_iter().chain(schemes) {
            if !labels.contains(&Backend::Custom(name)) {
                labels.push(Backend::Custom(name));
            }
        }
        labels
    }

    /// Returns the labels for a recorder, which registers all series at once.
    pub(crate) fn labels_for_recorder(&mut self) -> Vec<Backend> {
        let labels = self.labels();
        self.recorded = Some(labels.clone());
        labels
    }

    /// Checks the names, and the settings that exclude a raw listener.
    pub(crate) fn check(&self, config: &Config) -> Result<(), TransportError> {
        let late = |recorded: &Vec<Backend>| *recorded != self.labels();
        let error = if let Some(error) = &self.error {
            error.clone()
        } else if self.recorded.as_ref().is_some_and(late) {
            "recorder() was called before raw_listener() or raw_dialer(), whose metrics it would \
             lack: call it after them"
                .to_owned()
        } else if let Some(listener) = &self.listener {
            let backend = config.general.backend();
            let other = match backend {
                Backend::Tcp | Backend::Tls if config.general.bind_addr().is_none() => {
                    return Ok(());
                }
                Backend::Tcp | Backend::Tls => "bind_addr".to_owned(),
                other => format!("backend {other}"),
            };
            format!(
                "the builder has the raw listener {:?}, and {other} is set: a transport has one \
                 listener",
                listener.name()
            )
        } else {
            return Ok(());
        };
        Err(TransportError::Config {
            source: error.into(),
        })
    }

    pub(crate) fn into_parts(self) -> (Option<CustomListener>, CustomDialers) {
        (self.listener, CustomDialers::new(self.dialers))
    }

    fn check_name(&mut self, call: &str, name: &str) {
        if !Target::is_custom_name(name) {
            self.fail(format!(
                "{call}({name:?}): a name has 1 to 32 of a-z, 0-9 and '-', starts with a letter and \
                 is not a built-in one (tcp, tls, uds, unix, tor, arti)"
            ));
        }
    }

    fn fail(&mut self, error: String) {
        self.error.get_or_insert(error);
    }
}
