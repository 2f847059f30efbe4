//! The same transfers through the facade, configured as the gateway.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ron_transport::arti::IsolationToken;
use ron_transport::config::Config;
use ron_transport::metrics::Prometheus;
use ron_transport::{Conn, Endpoint, ListenAddr, ReadyState, Transport};

use crate::echo;

/// Every limit on, high enough that none is reached.
const LIMITS: &[(&str, &str)] = &[
    ("rates.per_conn_bytes_per_sec", "1024GiB"),
    ("rates.per_peer_bytes_per_sec", "1024GiB"),
    ("rates.global_ingress_bytes_per_sec", "1024GiB"),
    ("rates.global_egress_bytes_per_sec", "1024GiB"),
    ("max_lifetime", "1h"),
    ("dial_timeout", "60s"),
    ("amnesia", "on"),
];

/// An onion service that echoes, and a client.
pub(crate) struct Pair {
    service: Arc<Transport>,
    client: Transport,
    name: String,
    _recorder: Prometheus,
}

impl Pair {
    pub(crate) async fn start(config: &str, dir: &Path) -> Self {
        let path = dir.join("arti.toml");
        std::fs::write(&path, config).unwrap();
        let recorder = Prometheus::new().unwrap();
        let transport = |onion: &str| {
            let mut loader = Config::loader()
                .flag("transport.backend", "arti")
                .flag("transport.arti.config_path", &path)
                .flag("transport.arti.onion_service.enabled", onion);
            for (key, value) in LIMITS {
                loader = loader.flag(format!("transport.{key}"), *value);
            }
            Transport::builder()
                .config(loader.load().unwrap().into_settings())
                .recorder(recorder.recorder())
                .build()
                .unwrap()
        };
        let (service, client) = (Arc::new(transport("on")), transport("off"));
        let ListenAddr::Onion(name) = service.listen().await.unwrap() else {
            panic!("the listen address is not an onion address");
        };
        let serving = Arc::clone(&service);
        tokio::spawn(async move { serving.serve(echo).await });
        client.prepare(ron_transport::Scheme::Tor).await.unwrap();
        for transport in [&*service, &client] {
            let mut readiness = transport.readiness();
            readiness
                .wait_for(|state| *state == ReadyState::Ready)
                .await
                .unwrap();
        }
        Self {
            service,
            client,
            name: name.as_str().to_owned(),
            _recorder: recorder,
        }
    }

    pub(crate) async fn to_onion(&self) -> Conn {
        self.dial(&format!("tor://{}:80", self.name)).await
    }

    pub(crate) async fn through_exit(&self, to: SocketAddr) -> Conn {
        self.dial(&format!("tor://{to}")).await
    }

    async fn dial(&self, to: &str) -> Conn {
        let to: Endpoint = to.parse().unwrap();
        loop {
            let token = IsolationToken::unique();
            match self.client.dial_isolated(&to, token).await {
                Ok(conn) => return conn,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    pub(crate) async fn end(self) {
        self.client.shutdown(Duration::ZERO).await;
        self.service.shutdown(Duration::ZERO).await;
    }
}
