//! The settings of the onion service. Where its keys are is shown nowhere.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use transport_core::schema::ValueError;

use super::absolute;

/// Longest nickname in bytes: it becomes a part of file names, which end at 255.
const MAX_NICKNAME: usize = 64;

/// The onion service of the Tor backend.
#[derive(Clone, PartialEq, Eq)]
pub struct OnionServiceConfig {
    enabled: bool,
    nickname: String,
    ports: Vec<u16>,
    identity_path: Option<PathBuf>,
    client_keys_path: Option<PathBuf>,
    pow: bool,
}

impl Default for OnionServiceConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            nickname: "ron".to_owned(),
            ports: vec![80],
            identity_path: None,
            client_keys_path: None,
            pow: false,
        }
    }
}

/// Reads of one field each.
impl OnionServiceConfig {
    /// Whether the transport listens as an onion service.
    #[must_use]
    pub const fn enabled(&self) -> bool {
        self.enabled
    }

    /// The name under which Arti keeps the service's keys and state; no client sees it.
    #[must_use]
    pub fn nickname(&self) -> &str {
        &self.nickname
    }

    /// The ports that clients reach.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Where the service's private key is, which is its address; `None` leaves it to Arti.
    #[must_use]
    pub fn identity_path(&self) -> Option<&Path> {
        self.identity_path.as_deref()
    }

    /// Where the keys of the clients are that may find the service; `None` lets everyone.
    #[must_use]
    pub fn client_keys_path(&self) -> Option<&Path> {
        self.client_keys_path.as_deref()
    }

    /// Whether clients have to show a proof of work while the service is under load.
    #[must_use]
    pub const fn pow(&self) -> bool {
        self.pow
    }
}

/// Setters: each refuses what is out of range and leaves the setting as it was.
///
/// # Errors
/// Those that return a `Result`: a sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl OnionServiceConfig {
    /// Whether the transport listens as an onion service.
    pub fn set_enabled(&mut self, on: bool) -> &mut Self {
        self.enabled = on;
        self
    }

    /// The name under which Arti keeps the service's keys and state: 1 to 64 lowercase letters,
    /// digits, `-` and `_`, not beginning with `-`. That is a slug of `tor-persist`, and shorter.
    pub fn set_nickname(&mut self, nickname: &str) -> Result<&mut Self, ValueError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        let fits = (1..=MAX_NICKNAME).contains(&nickname.len());
        if !fits || nickname.starts_with('-') || !nickname.bytes().all(allowed) {
            return Err(ValueError::new(
                "must be 1 to 64 of a to z, 0 to 9, - and _, not beginning with -",
            ));
        }
        nickname.clone_into(&mut self.nickname);
        Ok(self)
    }

    /// The ports that clients reach: each at least 1 and none twice. A service that is enabled
    /// needs one.
    pub fn set_ports(&mut self, ports: &[u16]) -> Result<&mut Self, ValueError> {
        let mut seen = HashSet::new();
        for port in ports {
            if *port == 0 {
                return Err(ValueError::new("must be ports, 1 to 65535"));
            }
            if !seen.insert(port) {
                return Err(ValueError::new(format!("must name no port twice: {port}")));
            }
        }
        self.ports = ports.to_vec();
        Ok(self)
    }

    /// Where the service's private key is: an absolute path, or `None` to leave it to Arti.
    pub fn set_identity_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.identity_path = absolute(path)?;
        Ok(self)
    }

    /// Where the keys of the clients are that may find the service: an absolute path, or `None` to
    /// let everyone.
    pub fn set_client_keys_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.client_keys_path = absolute(path)?;
        Ok(self)
    }

    /// Whether clients have to show a proof of work while the service is under load.
    pub fn set_pow(&mut self, on: bool) -> &mut Self {
        self.pow = on;
        self
    }
}

/// Shows whether there are paths to keys, and none of them.
impl fmt::Debug for OnionServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |path: &Option<PathBuf>| path.as_ref().map(|_| format_args!("hidden"));
        f.debug_struct("OnionServiceConfig")
            .field("enabled", &self.enabled)
            .field("nickname", &self.nickname)
            .field("ports", &self.ports)
            .field("identity_path", &hidden(&self.identity_path))
            .field("client_keys_path", &hidden(&self.client_keys_path))
            .field("pow", &self.pow)
            .finish()
    }
}
