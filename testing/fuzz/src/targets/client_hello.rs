//! The first bytes of a TLS client.
//!
//! The reader of hellos never takes back what it found in fewer bytes. A server refuses the bytes with
//! an error that is safe to display.

#[allow(dead_code)]
#[path = "../../../../crates/transport-tls/src/hello.rs"]
mod hello;

use std::sync::{Arc, OnceLock};

use transport_core::escape::is_safe;
use transport_core::{
    Backend, ConnInfo, Connection, Listener, NoObserver, PeerAddr, Pending, Plain, Reloadable,
    TransportError,
};
use transport_testkit::pki::Authority;
use transport_tls::raw::TlsListener;
use transport_tls::{PqMode, ServerTls, TlsConfig};

use crate::pieces::{PieceSizes, Pieces};
use crate::runtime::block_on;
use crate::server_pair::server_pair;

pub(crate) fn run(bytes: &[u8]) {
    let half = &bytes[..bytes.len() / 2];
    let group = hello::agreed_group;
    assert!(group(half).is_none() || group(half) == group(bytes));
    let version = hello::legacy_version;
    assert!(version(half).is_none() || version(half) == version(bytes));
    assert!(!hello::is_ssl2(half) || hello::is_ssl2(bytes));
    let client = Client(Some(Pieces::new(bytes.to_vec(), PieceSizes::of(bytes))));
    let mut listener = TlsListener::over(client, server(), Arc::new(NoObserver));
    let error = block_on(async {
        let pending = listener.accept().await?;
        pending.establish().await.map(|_| ())
    });
    match error {
        Ok(()) => panic!("a handshake without a client's key is complete"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.chars().all(is_safe), "{text:?}");
        }
    }
}

fn server() -> &'static Reloadable<ServerTls> {
    static SERVER: OnceLock<Reloadable<ServerTls>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let pair = server_pair(&Authority::root("fuzz"));
        let server = ServerTls::from_material(pair, &TlsConfig::default(), PqMode::Hybrid);
        Reloadable::new(server.expect("a server"))
    })
}

/// A listener with one client.
struct Client(Option<Pieces>);

impl Listener for Client {
    type Pending = Self;

    fn backend(&self) -> Backend {
        Backend::Tcp
    }

    async fn accept(&mut self) -> Result<Self, TransportError> {
        Ok(Self(self.0.take()))
    }
}

impl Pending for Client {
    type Io = Plain<Pieces>;

    fn peer(&self) -> PeerAddr {
        PeerAddr::Ip(([192, 0, 2, 1], 1).into())
    }

    async fn establish(mut self) -> Result<Connection<Self::Io>, TransportError> {
        let pieces = self.0.take().ok_or(TransportError::Closed)?;
        let info = ConnInfo::new(Backend::Tcp, Some(self.peer()));
        Ok(Connection::new(Plain(pieces), info))
    }
}
