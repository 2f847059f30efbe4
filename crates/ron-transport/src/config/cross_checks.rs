//! Rules that span the sections of several crates.

use transport_core::schema::ValueError;

use super::Config;

type Conflicts = Vec<(&'static str, ValueError)>;

/// Returns the conflicting settings: the path and the reason.
pub(super) fn check(config: &Config) -> Conflicts {
    let groups: &[fn(&Config) -> Conflicts] = &[
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
fn tls(config: &Config) -> Conflicts {
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
fn uds(config: &Config) -> Conflicts {
    let backend = config.general.backend();
    let is_uds = backend == transport_core::Backend::Uds;
    let mut broken = Vec::new();
    if is_uds && config.general.bind_addr().is_some() {
        let what = "backend uds listens on uds.path: leave bind_addr out";
        broken.push(("bind_addr", ValueError::new(what)));
    }
    if !is_uds && config.uds.path().is_some() {
        let what = format!("needs backend = uds, but backend is {backend}");
        broken.push(("uds.path", ValueError::new(what)));
    }
    broken
}

#[cfg(feature = "arti")]
fn arti(config: &Config) -> Conflicts {
    let backend = config.general.backend();
    let is_arti = backend == transport_core::Backend::Arti;
    let (arti, dial) = (&config.arti, config.limits.deadlines().dial);
    let mut broken = Vec::new();
    if arti.pre_dial_delay() >= dial {
        let dial = transport_core::schema::format_duration(dial);
        let what = format!("must be below dial_timeout ({dial})");
        broken.push(("arti.pre_dial_delay", ValueError::new(what)));
    }
    if is_arti && config.general.bind_addr().is_some() {
        let what = "backend arti listens as an onion service: leave bind_addr out";
        broken.push(("bind_addr", ValueError::new(what)));
    }
    if !is_arti && arti.onion_service().enabled() {
        let what = format!("needs backend = arti, but backend is {backend}");
        broken.push(("arti.onion_service.enabled", ValueError::new(what)));
    }
    if is_arti && !config.proxy.trusted().is_empty() {
        let what = "backend arti has no balancer in front: leave it out";
        broken.push(("proxy.trusted", ValueError::new(what)));
    }
    if arti.onion_service().pow() && !cfg!(feature = "pow") {
        let what = "this build lacks proof of work: it needs the feature `pow`";
        broken.push(("arti.onion_service.pow", ValueError::new(what)));
    }
    for (key, dir) in [
        ("arti.state_dir", arti.state_dir()),
        ("arti.cache_dir", arti.cache_dir()),
    ] {
        if config.limits.amnesia() && dir.is_some() {
            let what = "with amnesia the directory is in memory: leave it out";
            broken.push((key, ValueError::new(what)));
        }
    }
    broken
}
