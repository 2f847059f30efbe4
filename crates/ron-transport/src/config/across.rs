//! Rules that span the sections of several crates: what goes with which backend.

use transport_core::schema::ValueError;

use super::Config;

type Broken = Vec<(&'static str, ValueError)>;

/// What is broken: the path to blame, and why.
pub(super) fn check(config: &Config) -> Broken {
    let groups: &[fn(&Config) -> Broken] = &[
        #[cfg(feature = "tls")]
        tls,
        #[cfg(feature = "uds")]
        uds,
        #[cfg(feature = "arti")]
        arti,
    ];
    groups.iter().flat_map(|group| group(config)).collect()
}

#[cfg(feature = "tls")]
fn tls(config: &Config) -> Broken {
    let backend = config.general.backend();
    let is_tls = backend == transport_core::Backend::Tls;
    match config.tls.enabled() {
        Some(enabled) if enabled != is_tls => {
            let what = format!("contradicts backend, which is {backend}");
            vec![("tls.enabled", ValueError::new(what))]
        }
        _ => Vec::new(),
    }
}

#[cfg(feature = "uds")]
fn uds(config: &Config) -> Broken {
    let backend = config.general.backend();
    let is_uds = backend == transport_core::Backend::Uds;
    let mut broken = Vec::new();
    if is_uds && config.general.bind_addr().is_some() {
        let what = "backend uds listens on uds.path: leave bind_addr out";
        broken.push(("bind_addr", ValueError::new(what)));
    }
    if !is_uds && config.uds.path().is_some() {
        let what = format!("needs backend = uds, and that is {backend}");
        broken.push(("uds.path", ValueError::new(what)));
    }
    broken
}

#[cfg(feature = "arti")]
fn arti(config: &Config) -> Broken {
    let dial = config.limits.deadlines().dial;
    if config.arti.pre_dial_delay() < dial {
        return Vec::new();
    }
    let dial = transport_core::schema::format_duration(dial);
    let what = format!("must be below dial_timeout ({dial})");
    vec![("arti.pre_dial_delay", ValueError::new(what))]
}
