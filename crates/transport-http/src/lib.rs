//! ron-transport under axum, hyper, tonic and tower.
//!
//! Each feature adds one module and compiles alone; none is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `hyper` | [`serve_http`] and [`serve_connection`]: HTTP/1.1 and HTTP/2 for any tower service, axum's `Router` and tonic's `Routes` among them |
//! | `axum` | [`axum::listener`] for `axum::serve` |
//! | `tonic` | [`tonic::incoming`] for `serve_with_incoming_shutdown` |
//! | `tower` | [`Connector`] for clients of hyper-util and channels of tonic; [`IdentityLayer`] |
//!
//! [`serve_http`] is the recommended server: slow request heads and bodies end at `read_timeout`, a
//! drain closes each connection after its last response, and the connection is never closed as idle
//! during a request. `axum::serve` and tonic's server have no deadline for a request head.
//!
//! [`ConnDetails`] describes the connection that carried a request: peer, identity, ALPN, number.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
#[cfg(feature = "tower")]
mod connector;
mod details;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod handover;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod handover_progress;
#[cfg(feature = "tower")]
mod identity;
#[cfg(feature = "hyper")]
mod request_body;
#[cfg(feature = "hyper")]
mod request_state;
#[cfg(feature = "hyper")]
mod response_body;
#[cfg(feature = "hyper")]
mod serve;
#[cfg(feature = "hyper")]
mod serve_options;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod server_conn;
#[cfg(feature = "hyper")]
mod server_io;
#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
pub mod tonic;

#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use connector::{ClientStream, Connector};
pub use details::ConnDetails;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use identity::{IdentityLayer, IdentityService};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use request_body::{RequestBody, RequestBodyError};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use response_body::ResponseBody;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use serve::{serve_connection, serve_http, ServeError};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use serve_options::ServeOptions;
#[cfg(any(feature = "axum", feature = "tonic"))]
pub use server_conn::ServerConn;

pub use ron_transport;
