//! What is particular to Unix sockets: their file, its directory, and the uid of the peer.
#![allow(clippy::unwrap_used)]

mod child;
mod dial;
mod directory;
mod file;
mod handed_over;
mod log;
mod other_user;
mod peers;
mod place;
