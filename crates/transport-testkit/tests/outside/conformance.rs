//! The harness of the bus backend.

use std::future::Future;

use transport_core::Target;
use transport_testkit::{Harness, Held, Opened};

use super::{Bus, BusDialer, BusListener};

struct BusHarness;

fn target() -> Target {
    Target::custom("bus", "service").unwrap()
}

impl Harness for BusHarness {
    type Listener = BusListener;
    type Dialer = BusDialer;

    async fn open(&self) -> Opened<BusListener, BusDialer> {
        let bus = Bus::default();
        Opened {
            listener: bus.bind("service"),
            dialer: bus.dialer(7),
            target: target(),
        }
    }

    /// A service whose backlog is full: a call waits for an accept.
    fn deaf(&self) -> impl Future<Output = Option<(BusDialer, Target, Held)>> + Send {
        async {
            let bus = Bus::default();
            let listener = bus.bind("service");
            let dialer = bus.dialer(7);
            let mut held = Vec::new();
            for _ in 0..super::BACKLOG {
                held.push(ron_transport::Dialer::dial(&dialer, &target()).await.unwrap().io);
            }
            Some((dialer, target(), Box::new((listener, held)) as Held))
        }
    }
}

transport_testkit::conformance!(BusHarness, paused);
