//! Only `install_global` installs the global recorder. One test: a process has one.

use transport_core::{Backend, Observer};
use transport_metrics::{AlreadyInstalled, MetricsObserver, Prometheus};

const ACCEPTED_ONCE: &str = "transport_accepts_total{backend=\"tcp\"} 1\n";

#[test]
fn only_install_global_installs() {
    let apart = Prometheus::new().unwrap();
    let observer = MetricsObserver::with_recorder(apart.recorder(), &[Backend::Tcp]);
    MetricsObserver::new(&[Backend::Tcp]).accepted(Backend::Tcp);
    assert!(!apart.render().contains(ACCEPTED_ONCE));

    let global = Prometheus::new().unwrap();
    global
        .install_global()
        .expect("nothing was installed before");
    MetricsObserver::new(&[Backend::Tcp]).accepted(Backend::Tcp);
    assert!(global.render().contains(ACCEPTED_ONCE));
    assert!(!apart.render().contains(ACCEPTED_ONCE));

    assert_eq!(apart.install_global(), Err(AlreadyInstalled));
    observer.accepted(Backend::Tcp);
    assert!(apart.render().contains(ACCEPTED_ONCE));
}
