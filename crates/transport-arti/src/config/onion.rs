//! The settings of the onion service. `Debug` hides the paths of its keys.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use transport_core::schema::ValueError;

use super::absolute;

/// Longest nickname in bytes.
///
/// It is part of file names, which have at most 255.
const MAX_NICKNAME: usize = 64;

/// The settings of the onion service.
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

transport_core::accessors! {
    impl OnionServiceConfig {
        /// Whether the transport listens as an onion service.
        enabled, set_enabled: bool;
        /// Whether clients must provide a proof of work under load.
        pow, set_pow: bool;
    }
}

impl OnionServiceConfig {
    /// Returns the name of the service in Arti's state.
    ///
    /// Clients do not see it.
    #[must_use]
    pub fn nickname(&self) -> &str {
        &self.nickname
    }

    /// Returns the ports that clients connect to.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Returns the file of the private key; `None` leaves it to Arti.
    ///
    /// The address of the service follows from the key.
    #[must_use]
    pub fn identity_path(&self) -> Option<&Path> {
        self.identity_path.as_deref()
    }

    /// Returns the directory of authorized clients' keys; `None` admits all.
    #[must_use]
    pub fn client_keys_path(&self) -> Option<&Path> {
        self.client_keys_path.as_deref()
    }
}

/// Setters that validate. A refused value leaves the setting unchanged.
///
/// # Errors
/// A sentence that says what is allowed.
#[allow(clippy::missing_errors_doc)]
impl OnionServiceConfig {
    /// Sets the nickname: 1 to 64 lowercase letters, digits, `-` and `_`.
    ///
    /// It does not begin with `-`: it is a slug of `tor-persist`, and shorter.
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

    /// Sets the ports: 1 to 65535, without duplicates.
    ///
    /// An enabled service needs one.
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

    /// Sets the file of the private key: absolute, or `None`.
    pub fn set_identity_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.identity_path = absolute(path)?;
        Ok(self)
    }

    /// Sets the directory of authorized clients' keys: absolute, or `None`.
    pub fn set_client_keys_path(&mut self, path: Option<PathBuf>) -> Result<&mut Self, ValueError> {
        self.client_keys_path = absolute(path)?;
        Ok(self)
    }
}

/// Hides the paths of keys.
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
