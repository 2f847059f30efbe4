//! Drives the built gateway from outside: sockets, HTTP, signals, and its log.

#![allow(clippy::unwrap_used)]

mod admin;
mod amnesia;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod deploy;
mod docs;
mod echo;
mod entry;
mod fds;
mod forward;
mod frames;
mod lifecycle;
mod limits;
mod load;
mod log_lines;
mod log_secrets;
mod logs;
mod ops_files;
mod process;
mod reload;
mod status_page;
mod systemd;
mod tls;
mod uds;
mod watch;
