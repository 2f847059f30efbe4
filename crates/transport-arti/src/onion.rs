//! The onion service: its identity, its authorized clients and its launch.

mod authorized_clients;

use std::sync::Arc;

use arti_client::{TorClient, TorClientConfig};
use futures_util::stream::{BoxStream, StreamExt};
use safelog::DisplayRedacted;
use tor_hscrypto::pk::HsId;
use tor_hsservice::config::OnionServiceConfigBuilder;
use tor_hsservice::{
    OnionService, OnionServiceConfig as ServiceConfig, RendRequest, RunningOnionService,
};
use tor_keymgr::KeystoreSelector;
use transport_core::TransportError;

use crate::client::ArtiRuntime;
use crate::error;
use crate::identity::OnionIdentity;
use crate::OnionServiceConfig;

/// Most open streams per circuit; Arti ends a circuit that requests more.
const MAX_STREAMS_PER_CIRCUIT: u32 = 1024;

/// The service's configuration and identity, for launches on successive clients.
pub(crate) struct OnionServiceSetup {
    service: ServiceConfig,
    client: TorClientConfig,
    /// The key to launch with, if Arti's keystore does not hold it.
    identity: Option<OnionIdentity>,
    address: String,
    ports: Arc<[u16]>,
}

/// A service running on one client. Dropping it ends the service but no open circuit.
pub(crate) struct LaunchedService {
    pub(crate) service: Arc<RunningOnionService>,
    pub(crate) requests: BoxStream<'static, RendRequest>,
}

impl OnionServiceSetup {
    /// Reads the keys, or generates the service's key.
    ///
    /// # Errors
    /// [`TransportError::Config`] if keys or settings cannot be used;
    /// [`TransportError::Unsupported`] for proof of work without the feature `pow`.
    pub(crate) fn load(
        config: &OnionServiceConfig,
        client: &TorClientConfig,
    ) -> Result<Self, TransportError> {
        let service = service_config(config)?;
        let configured = config
            .identity_path()
            .map(OnionIdentity::read)
            .transpose()?;
        let mut stored = stored(client, &service)?.onion_address();
        if stored.is_none() && configured.is_none() {
            stored = generate(client, &service)?;
        }
        // An ephemeral keystore loses the key with its client, and the address must stay the same
        // when a client is replaced.
        let identity = match (configured, stored) {
            (None, None) => Some(OnionIdentity::random()?),
            (configured, _) => configured,
        };
        let id = match (&identity, stored) {
            (Some(identity), stored) => {
                let id = identity.address()?;
                if stored.is_some_and(|stored| stored != id) {
                    return Err(error::config(
                        "arti.onion_service.nickname: arti.state_dir holds another identity under \
                         this nickname than arti.onion_service.identity_path; choose another \
                         nickname or remove one of the keys",
                    ));
                }
                id
            }
            (None, Some(stored)) => stored,
            (None, None) => return Err(error::config("the onion service has no identity")),
        };
        let address = id.display_unredacted().to_string();
        Ok(Self {
            service,
            client: client.clone(),
            identity,
            address,
            ports: config.ports().into(),
        })
    }

    /// The `.onion` name.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn ports(&self) -> Arc<[u16]> {
        Arc::clone(&self.ports)
    }

    /// Runs the service on a bootstrapped client.
    ///
    /// # Errors
    /// [`TransportError::Config`] if Arti rejects it, for example because another process uses its
    /// state directory.
    pub(crate) fn launch(
        &self,
        client: &TorClient<ArtiRuntime>,
    ) -> Result<LaunchedService, TransportError> {
        // Arti rejects a key that its keystore already holds.
        let stored = stored(&self.client, &self.service)?.onion_address();
        let keypair = self.identity.as_ref().filter(|_| stored.is_none());
        let service = self.service.clone();
        let launched = match keypair.and_then(OnionIdentity::keypair) {
            Some(keypair) => client
                .launch_onion_service_with_hsid(service, keypair)
                .map(|on| on.map(|(service, requests)| (service, requests.boxed()))),
            None => client
                .launch_onion_service(service)
                .map(|on| on.map(|(service, requests)| (service, requests.boxed()))),
        };
        match launched.map_err(error::start)? {
            Some((service, requests)) => Ok(LaunchedService { service, requests }),
            None => Err(error::config("the onion service is disabled")),
        }
    }
}

/// The service as Arti's keystore holds it.
fn stored(
    client: &TorClientConfig,
    service: &ServiceConfig,
) -> Result<OnionService, TransportError> {
    TorClient::<ArtiRuntime>::create_onion_service(client, service.clone()).map_err(error::start)
}

/// Generates a key in the keystore; `None` if the keystore is ephemeral.
fn generate(
    client: &TorClientConfig,
    service: &ServiceConfig,
) -> Result<Option<HsId>, TransportError> {
    stored(client, service)?
        .generate_identity_key(KeystoreSelector::Primary)
        .map_err(|cause| error::config_by("cannot store the onion service's key", cause))?;
    Ok(stored(client, service)?.onion_address())
}

/// Converts the settings to Arti's.
fn service_config(config: &OnionServiceConfig) -> Result<ServiceConfig, TransportError> {
    if config.pow() && !cfg!(feature = "pow") {
        return Err(TransportError::Unsupported {
            what: "arti.onion_service.pow: transport-arti was built without the feature `pow`"
                .to_owned(),
        });
    }
    let mut builder = OnionServiceConfigBuilder::default();
    let nickname = config.nickname().to_owned().try_into();
    builder
        .nickname(nickname.map_err(|cause| error::config_by("arti.onion_service.nickname", cause))?)
        .max_concurrent_streams_per_circuit(MAX_STREAMS_PER_CIRCUIT)
        .enable_pow(config.pow());
    if let Some(dir) = config.client_keys_path() {
        let keys = authorized_clients::read(dir)?;
        let restricted = builder.restricted_discovery();
        restricted.enabled(true);
        restricted.static_keys().access().extend(keys);
    }
    builder.build().map_err(|cause| {
        let text = format!("the onion service cannot be configured: {cause}");
        error::config_by(text, cause)
    })
}
