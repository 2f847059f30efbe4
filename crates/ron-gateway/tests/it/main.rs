//! Tests of the built gateway: sockets, HTTP, signals and its log.

#![allow(clippy::unwrap_used)]

mod admin;
mod admin_flood;
mod admin_http;
mod admin_socket;
mod amnesia;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod deploy;
mod docs;
mod echo;
mod entry;
mod fds;
mod forward;
mod frames;
mod lifecycle;
mod limits;
mod listeners;
mod load;
mod log_lines;
mod log_secrets;
mod logs;
mod manual;
mod ops_files;
mod overload;
mod process;
mod proxy;
mod public;
mod reload;
#[cfg(target_os = "linux")]
mod sandbox;
mod status_page;
mod systemd;
mod terminal;
mod tls;
mod uds;
mod upstreams;
mod usage;
mod watch;
