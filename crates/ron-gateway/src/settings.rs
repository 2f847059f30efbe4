//! The table `[gateway]`: handler mode, admin endpoint, log and sandbox.

mod admin_addr;
mod listener;
mod mode;
mod parse;
mod sandbox_mode;
mod table;
mod worker_count;

use std::net::{Ipv4Addr, SocketAddr};

use ron_transport::config::Settings;
use ron_transport::schema::Section;

use crate::logging::{LogFormat, LogLevel};

pub(crate) use admin_addr::AdminAddr;
pub(crate) use listener::{ListenerService, ListenerSettings};
pub(crate) use mode::Mode;
pub(crate) use parse::{dialable, MemoryPressure};
pub(crate) use sandbox_mode::SandboxMode;
pub(crate) use worker_count::WorkerCount;

/// Default address of the admin endpoint.
const ADMIN_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9909);

/// The gateway's own settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Gateway {
    /// The service of an unnamed listener, and the defaults of named ones.
    pub(crate) service: ListenerService,
    /// The other keys.
    pub(crate) process: GatewayProcess,
}

/// The settings of the process, which a restart changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GatewayProcess {
    pub(crate) admin_addr: Option<AdminAddr>,
    /// In lower case, without a trailing dot.
    pub(crate) admin_hosts: Vec<String>,
    pub(crate) show_peers: bool,
    pub(crate) degraded_is_ready: bool,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: LogLevel,
    pub(crate) sandbox: SandboxMode,
    pub(crate) memory_pressure: MemoryPressure,
    pub(crate) workers: WorkerCount,
}

impl Default for GatewayProcess {
    fn default() -> Self {
        Self {
            admin_addr: Some(AdminAddr::Ip(ADMIN_ADDR)),
            admin_hosts: Vec::new(),
            show_peers: false,
            degraded_is_ready: false,
            log_format: LogFormat::Auto,
            log_level: LogLevel::Info,
            sandbox: SandboxMode::Try,
            memory_pressure: MemoryPressure::Auto,
            workers: WorkerCount::Auto,
        }
    }
}

impl Settings for Gateway {
    const TABLE: &'static str = "gateway";
    const ENV_PREFIX: &'static str = "RON_GATEWAY_";

    fn sections(&self) -> Vec<&dyn Section> {
        vec![&self.service, &self.process]
    }

    fn sections_mut(&mut self) -> Vec<&mut dyn Section> {
        vec![&mut self.service, &mut self.process]
    }

    fn warnings(&self, _max_fd: Option<u64>) -> Vec<String> {
        let mut warnings = Vec::new();
        let process = &self.process;
        if let Some(addr) = process.admin_addr.as_ref().filter(|addr| !addr.is_local()) {
            warnings.push(format!(
                "admin_addr is {addr}: every host that reaches it can read metrics and status \
                 without a login"
            ));
            if process.show_peers {
                warnings.push(format!(
                    "admin.show_peers has no effect: admin_addr is {addr}, and /connections is \
                     served on loopback and Unix sockets only"
                ));
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual embeds this table; when a key changes, paste it again.
    #[test]
    fn manual_contains_key_table() {
        let table = ron_transport::config::markdown_of::<Gateway>();
        let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIG.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        assert!(manual.contains(&table), "docs/CONFIG.md lacks:\n{table}");
    }
}
