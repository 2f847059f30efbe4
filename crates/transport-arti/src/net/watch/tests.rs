//! Publication of readiness, on a client without a network.

use transport_core::NoObserver;

use super::*;
use crate::{settings, ArtiConfig, DialWhileBootstrapping};

/// Readiness callbacks with the slot's state at that moment.
type Published = mpsc::Receiver<(ReadyState, bool)>;

fn watch(slot: &Arc<TorClientSlot>) -> (ClientWatch, Published) {
    let health = Health::new(Instant::now());
    let (published, receiver) = mpsc::channel(8);
    let observed = Arc::clone(slot);
    let on_readiness = move |state| {
        let client = observed.client(DialWhileBootstrapping::Fail).now_or_never();
        let available = client.is_some_and(|client| client.is_ok());
        published.try_send((state, available)).unwrap();
    };
    let watch = ClientWatch {
        live: Reloadable::new(ArtiConfig::default()),
        observer: Arc::new(NoObserver),
        stop: CancellationToken::new(),
        slot: Arc::clone(slot),
        readiness: watch::channel(health.state()).0,
        on_readiness: Box::new(on_readiness),
        backlog: mpsc::channel(1).0,
        health,
    };
    (watch, receiver)
}

#[test]
fn client_available_whenever_ready() {
    crate::provider::install();
    let settings = settings::load(&ArtiConfig::default(), true).unwrap();
    let started = TorInstance::start(&settings.client).unwrap();
    let slot = Arc::new(TorClientSlot::new());
    let (mut watch, mut published) = watch(&slot);
    let now = Instant::now();

    watch.health.record(Evidence::Carried, now);
    watch.update(&started.instance, now);
    assert_eq!(published.try_recv().unwrap(), (ReadyState::Ready, true));

    watch.health.record(Evidence::Disproven, now);
    watch.update(&started.instance, now);
    let (state, _) = published.try_recv().unwrap();
    assert_ne!(state, ReadyState::Ready);
    let client = slot.client(DialWhileBootstrapping::Fail).now_or_never();
    assert!(client.unwrap().is_err(), "the slot still holds the client");
    started
        .instance
        .end(started.runtime, Duration::from_secs(5));
}
