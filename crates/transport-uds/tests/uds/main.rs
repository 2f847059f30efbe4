//! Tests specific to Unix sockets: file, directory and peer uid.
#![allow(clippy::unwrap_used)]

mod child;
mod dial;
mod directory;
mod file;
mod guarded;
mod log;
mod other_user;
mod passed_socket;
mod peers;
mod place;
