//! A service's network edge: listeners, dialers and guarded connections behind one facade, with
//! the same hard ceilings, metrics, reject reasons and readiness whatever carries the bytes.
//!
//! ```no_run
//! use ron_transport::Transport;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::builder().bind_addr("127.0.0.1:9444".parse()?).build()?;
//! let addr = transport.listen().await?;
//! println!("echo on {addr}");
//! transport
//!     .serve(|conn| async move {
//!         let (mut read, mut write) = tokio::io::split(conn);
//!         let _ = tokio::io::copy(&mut read, &mut write).await;
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! The library opens no port of its own, installs no log subscriber and no metrics recorder, and
//! never looks inside the frames it carries.

mod backend;
mod builder;
pub mod config;
mod conn;
mod dialer;
mod drain;
mod endpoint;
mod establish;
mod listen;
mod listen_addr;
mod readiness;
mod reload;
mod serve;
mod transport;

pub use self::config::Config;
pub use builder::TransportBuilder;
pub use conn::Conn;
pub use dialer::{IncomingConn, TransportDialer};
pub use drain::DrainReport;
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use listen_addr::{Inherited, ListenAddr, OnionName};
pub use reload::{ReloadError, ReloadReport};
pub use transport::Transport;

#[cfg(feature = "arti")]
pub use transport_arti as arti;
pub use transport_core::{
    self as core, Backend, CloseReason, ConnInfo, Io, NoIdentity, Observer, Op, PeerAddr,
    PeerIdentity, PeerName, ReadyReason, ReadyState, Reason, Target, TlsErrorKind, TransportError,
};
pub use transport_limits::{
    self as limits, echo, relay, relay_without_half_close, Busy, Chunk, ConnSnapshot, Control,
    Decision, Echoed, FrameReader, FrameSender, InflationGuard, Leg, Limits, Relayed, Side,
};
pub use transport_metrics as metrics;
pub use transport_tcp as tcp;
#[cfg(feature = "tls")]
pub use transport_tls as tls;
#[cfg(feature = "uds")]
pub use transport_uds as uds;
