//! A service's network edge: listeners, dialers and guarded connections behind one facade.
//!
//! TCP, TLS, Unix sockets and Tor have the same limits, metrics, reject reasons and readiness.
//!
//! ```no_run
//! use ron_transport::{echo, Transport};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = Transport::builder().bind_addr("127.0.0.1:9444".parse()?).build()?;
//! println!("echo on {}", transport.listen().await?);
//! transport.serve(echo).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The library opens no port by itself, installs no log subscriber and no metrics recorder, and
//! does not parse the frames that it carries.
//!
//! # Where to start
//!
//! | task | entry |
//! |---|---|
//! | accept connections | [`Transport::serve`], or [`Transport::accept`] for an own loop |
//! | open connections | [`Transport::dial`], [`Transport::dial_with`], [`TransportDialer`] in a handler |
//! | frames instead of bytes | [`Conn::into_framed`], [`frame`] |
//! | forward | [`relay`](fn@relay), [`Transport::dial_for`] |
//! | limits | [`Limits`], [`TransportBuilder::admit`] |
//! | several transports in a process | [`TransportBuilder::name`], [`TransportBuilder::limiter`] |
//! | configuration from files, environment and flags | [`Config::loader`], [`Transport::reload`] |
//! | metrics | [`TransportBuilder::recorder`], [`Observer`] |
//! | readiness and shutdown | [`Transport::readiness`], [`Transport::shutdown`] |
//! | a backend of one's own | [`TransportBuilder::raw_listener`], [`TransportBuilder::raw_dialer`], [`contract`] |

mod backend;
mod bound_addrs;
mod builder;
pub mod config;
mod conn;
mod conn_frames;
mod conn_halves;
mod conn_io;
#[cfg(feature = "tls")]
mod conn_upgrade;
mod credentials;
mod dial;
mod dial_options;
mod dialer;
mod drain;
mod endpoint;
mod establish;
mod established_stream;
mod exclusive;
mod handler;
mod incoming;
mod inspect;
mod limiter_setup;
mod listen;
mod listen_addr;
mod listener_slot;
mod overrides;
mod readiness;
mod reload;
mod scheme;
mod serve;
mod several;
mod state;
mod tee;
#[cfg(feature = "tls")]
mod tls_memory;
#[cfg(feature = "tls")]
mod tls_upgrade;
mod transport;

pub use self::config::Config;
pub use bound_addrs::StagedAddrs;
pub use builder::TransportBuilder;
pub use conn::Conn;
pub use conn_frames::ConnFrames;
pub use conn_halves::{ConnReader, ConnWriter};
pub use dial_options::DialOptions;
pub use dialer::TransportDialer;
pub use drain::DrainReport;
pub use endpoint::{Endpoint, EndpointError};
pub use established_stream::Incoming;
pub use handler::HandlerOutput;
pub use incoming::IncomingConn;
pub use listen_addr::{Inherited, ListenAddr, OnionName};
pub use reload::{ReloadError, ReloadReport};
pub use scheme::Scheme;
#[cfg(feature = "tls")]
pub use tls_upgrade::TlsUpgrade;
pub use transport::Transport;

pub use bytes::Bytes;
#[cfg(feature = "arti")]
pub use transport_arti as arti;
pub use transport_core::{
    contract, escape, open_file, read_bounded, schema, Backend, BoxError, CertificateChain,
    CloseReason, ConnInfo, Connection, DialSteps, Dialer, Direction, ErrorKind, Io, KeyExchange,
    Listener, NoIdentity, NoObserver, Observer, Op, PeerAddr, PeerIdentity, PeerName, Pending,
    Plain, Proxied, ProxiedAddrs, ProxiedTls, ProxyResult, ProxyVersion, Queue, ReadyReason,
    ReadyState, Reason, Scope, Taken, Target, TargetError, TaskKind, TlsErrorKind, TlsHandshake,
    TransportError, TransportName, VerifiedIdentity, ViaErrorKind,
};
pub use transport_limits::{
    self as limits, echo, frame, framed, relay, relay_without_half_close, AbortOnPanic, Busy,
    ByteRates, Chunk, ConnSnapshot, Control, Deadlines, Decision, FrameReader, FrameSender, Guard,
    GuardedIo, InflationGuard, IpPrefix, IpPrefixes, Leg, Limiter, LimiterBuilder, Limits,
    Overflow, RelayError, Relayed, Side,
};
pub use transport_metrics as metrics;
pub use transport_proxy::{self as proxy, ViaProxy};
pub use transport_tcp as tcp;
#[cfg(feature = "tls")]
pub use transport_tls as tls;
#[cfg(feature = "uds")]
pub use transport_uds as uds;
