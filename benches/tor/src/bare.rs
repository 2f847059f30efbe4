//! arti-client as a program would use it: no limits, no metrics.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arti_client::config::onion_service::OnionServiceConfigBuilder;
use arti_client::config::{BoolOrAuto, CfgPath, TorClientConfigBuilder};
use arti_client::{DataStream, IsolationToken, StreamPrefs, TorClient};
use futures_util::StreamExt;
use safelog::DisplayRedacted;
use tor_cell::relaycell::msg::Connected;
use tor_hsservice::RunningOnionService;
use tor_rtcompat::PreferredRuntime;

use crate::echo;

type Client = Arc<TorClient<PreferredRuntime>>;

/// An onion service that echoes, and a client.
pub(crate) struct Pair {
    _service: (Client, Arc<RunningOnionService>),
    client: Client,
    name: String,
}

impl Pair {
    pub(crate) async fn start(config: &str, dir: &Path) -> Self {
        let service = client(config, &dir.join("bare-service")).await;
        let client = client(config, &dir.join("bare-client")).await;
        let mut onion = OnionServiceConfigBuilder::default();
        onion.nickname("bare".to_owned().try_into().unwrap());
        let launched = service.launch_onion_service(onion.build().unwrap());
        let (running, mut requests) = launched.unwrap().unwrap();
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                tokio::spawn(async move {
                    let mut streams = request.accept().await.unwrap();
                    while let Some(stream) = streams.next().await {
                        let accepted = stream.accept(Connected::new_empty()).await.unwrap();
                        tokio::spawn(echo(accepted));
                    }
                });
            }
        });
        let name = running.onion_address().unwrap();
        let name = name.display_unredacted().to_string();
        Self {
            name,
            _service: (service, running),
            client,
        }
    }

    pub(crate) async fn to_onion(&self) -> DataStream {
        self.dial(&self.name, 80).await
    }

    pub(crate) async fn through_exit(&self, to: SocketAddr) -> DataStream {
        self.dial(&to.ip().to_string(), to.port()).await
    }

    /// Dials on a circuit of its own, because paths differ in throughput.
    ///
    /// A new service is not found at once.
    async fn dial(&self, host: &str, port: u16) -> DataStream {
        let mut prefs = StreamPrefs::new();
        prefs.connect_to_onion_services(BoolOrAuto::Explicit(true));
        prefs.set_isolation(IsolationToken::new());
        loop {
            match self.client.connect_with_prefs((host, port), &prefs).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

async fn client(config: &str, dir: &Path) -> Client {
    let mut config: TorClientConfigBuilder = toml::from_str(config).unwrap();
    let place = |name: &str| CfgPath::new_literal(dir.join(name));
    let storage = config.storage();
    storage.state_dir(place("state")).cache_dir(place("cache"));
    let config = config.build().unwrap();
    TorClient::create_bootstrapped(config).await.unwrap()
}
