//! Properties of what parses or reckons: bucket, peers' keys, frame reader, frame writer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod bucket;
mod frames;
mod wire;
