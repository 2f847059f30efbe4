//! The onion service as it is set up: its identity, who may find it, how it is launched on a
//! client. Its clients are another file's business.

mod clients;

use std::sync::Arc;

use arti_client::{TorClient, TorClientConfig};
use futures_util::stream::{BoxStream, StreamExt};
use safelog::DisplayRedacted;
use tor_hscrypto::pk::{HsId, HsIdKey};
use tor_hsservice::config::OnionServiceConfigBuilder;
use tor_hsservice::{
    OnionService, OnionServiceConfig as ServiceConfig, RendRequest, RunningOnionService,
};
use tor_keymgr::KeystoreSelector;
use transport_core::TransportError;

use crate::error;
use crate::identity::Identity;
use crate::net::Runtime;
use crate::OnionServiceConfig;

/// Streams that one client may have open on its circuit; Arti ends a circuit that asks for more.
const MAX_STREAMS_PER_CIRCUIT: u32 = 1024;

/// A service that any number of clients, one after the other, can be told to run.
pub(crate) struct Onion {
    service: ServiceConfig,
    client: TorClientConfig,
    /// Ours to bring along, unless the keystore has it.
    identity: Option<Identity>,
    address: String,
    ports: Arc<[u16]>,
}

/// The service on one client. Dropping it ends the service; open circuits stay.
pub(crate) struct Launched {
    pub(crate) service: Arc<RunningOnionService>,
    pub(crate) requests: BoxStream<'static, RendRequest>,
}

impl Onion {
    /// Reads keys, or makes the service's own.
    ///
    /// # Errors
    /// [`TransportError::Config`].
    pub(crate) fn set_up(
        config: &OnionServiceConfig,
        client: &TorClientConfig,
    ) -> Result<Self, TransportError> {
        let service = service(config)?;
        let ours = config.identity_path().map(Identity::read).transpose()?;
        let mut kept = kept(client, &service)?.onion_address();
        if kept.is_none() && ours.is_none() {
            kept = generate(client, &service)?;
        }
        // A keystore in memory keeps nothing, and the address must outlive a client that is
        // replaced.
        let identity = match (ours, kept) {
            (None, None) => Some(Identity::random()?),
            (ours, _) => ours,
        };
        let id = match (&identity, kept) {
            (Some(identity), kept) => {
                let id = hsid(identity)?;
                if kept.is_some_and(|kept| kept != id) {
                    return Err(error::config(
                        "arti.onion_service.nickname: arti.state_dir holds another identity \
                         under it than arti.onion_service.identity_path",
                    ));
                }
                id
            }
            (None, Some(kept)) => kept,
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

    /// Runs it on a client that is bootstrapped.
    ///
    /// # Errors
    /// [`TransportError::Config`].
    pub(crate) fn launch(&self, client: &TorClient<Runtime>) -> Result<Launched, TransportError> {
        // What the keystore has already cannot be brought along again.
        let missing = kept(&self.client, &self.service)?.onion_address().is_none();
        let keypair = self.identity.as_ref().filter(|_| missing);
        let service = self.service.clone();
        let launched = match keypair.and_then(Identity::keypair) {
            Some(keypair) => client
                .launch_onion_service_with_hsid(service, keypair)
                .map(|on| on.map(|(service, requests)| (service, requests.boxed()))),
            None => client
                .launch_onion_service(service)
                .map(|on| on.map(|(service, requests)| (service, requests.boxed()))),
        };
        match launched.map_err(error::start)? {
            Some((service, requests)) => Ok(Launched { service, requests }),
            None => Err(error::config("the onion service is disabled")),
        }
    }
}

/// The address that a key stands for.
pub(crate) fn hsid(identity: &Identity) -> Result<HsId, TransportError> {
    let keypair = identity.keypair();
    let keypair = keypair.ok_or_else(|| error::config("the onion service's key is no key"))?;
    Ok(HsIdKey::from(&keypair).id())
}

/// The service as it is on disk, without a client that runs it.
fn kept(client: &TorClientConfig, service: &ServiceConfig) -> Result<OnionService, TransportError> {
    TorClient::<Runtime>::create_onion_service(client, service.clone()).map_err(error::start)
}

/// Lets the keystore make an identity; `None` where it does not outlive this look at it.
fn generate(
    client: &TorClientConfig,
    service: &ServiceConfig,
) -> Result<Option<HsId>, TransportError> {
    kept(client, service)?
        .generate_identity_key(KeystoreSelector::Primary)
        .map_err(|cause| error::config_by("tor cannot keep the onion service's key", cause))?;
    Ok(kept(client, service)?.onion_address())
}

fn service(config: &OnionServiceConfig) -> Result<ServiceConfig, TransportError> {
    if config.pow() && !cfg!(feature = "pow") {
        return Err(TransportError::Unsupported {
            what: "arti.onion_service.pow: built without the feature `pow` of transport-arti"
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
        let keys = clients::read(dir)?;
        let restricted = builder.restricted_discovery();
        restricted.enabled(true);
        restricted.static_keys().access().extend(keys);
    }
    builder.build().map_err(|cause| {
        let text = format!("the onion service cannot be configured: {cause}");
        error::config_by(text, cause)
    })
}
