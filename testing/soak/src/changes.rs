//! Changes during the load: rates and caps by SIGHUP, and certificates.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ron_lab::client::{connect, tls};
use ron_lab::process::{wait_for, PATIENCE};
use ron_lab::Lab;
use rustix::process::Signal;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::load::Load;
use crate::sites::{Kind, Site};

/// The duration of a configuration.
const EVERY: Duration = Duration::from_secs(5);
/// Every third change brings a new certificate.
const ROTATE: u32 = 3;
const RELOADED: &str = "transport_reloads_total{result=\"ok\"}";

/// The changes so far.
#[derive(Default)]
pub(crate) struct Changes {
    reloads: AtomicU32,
    rotations: AtomicU32,
}

impl Changes {
    /// Changes configurations until the load ends; each change must be applied.
    pub(crate) fn run(&self, lab: &Lab, sites: &[Site], load: &Load) -> Result<(), String> {
        let mut pair = "server".to_owned();
        for turn in 1.. {
            if load.is_over_within(load.paced(EVERY)) {
                break;
            }
            let started = Instant::now();
            let check = |done: Result<(), String>| match done {
                Err(_) if load.pauses.overlap(started) => Ok(()),
                Err(why) => Err(load.stop_with(&format!("turn {turn}: {why}"))),
                Ok(()) => Ok(()),
            };
            let previous = pair.clone();
            if turn % ROTATE == 0 {
                pair = format!("server-{turn}");
                lab.pki.another_server(&pair)?;
            }
            for site in sites {
                let changed = self.change(lab, site, turn, &pair);
                check(changed.map_err(|why| format!("{}: {why}", site.name)))?;
            }
            if pair != previous {
                let tls = sites.iter().find(|site| site.kind == Kind::Tls);
                let rotated = self.rotated(lab, tls.ok_or("no TLS")?, load, &pair);
                check(rotated)?;
                // No configuration refers to these files any more.
                let _ = fs::remove_file(lab.pki.cert(&previous));
                let _ = fs::remove_file(lab.pki.key(&previous));
            }
        }
        Ok(())
    }

    fn change(&self, lab: &Lab, site: &Site, turn: u32, pair: &str) -> Result<(), String> {
        let before = site.gateway.scrape()?.value(RELOADED);
        site.configure(lab, turn, pair)?;
        site.gateway.signal(Signal::HUP)?;
        site.gateway
            .until("the reload", |now| now.value(RELOADED) > before)?;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until a new connection sees the new certificate.
    fn rotated(&self, lab: &Lab, site: &Site, load: &Load, pair: &str) -> Result<(), String> {
        let new = CertificateDer::from_pem_file(lab.pki.cert(pair)).map_err(|e| e.to_string())?;
        wait_for("the new certificate", PATIENCE, || {
            let conn = connect(site.gateway.addr).and_then(|conn| tls(&load.tls, conn));
            let conn = conn.map_err(|e| e.to_string())?;
            let shown = conn
                .conn
                .peer_certificates()
                .and_then(|chain| chain.first());
            Ok((shown == Some(&new)).then_some(()))
        })?;
        self.rotations.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn summary(&self) -> String {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        format!(
            "{} reloads, {} rotations",
            of(&self.reloads),
            of(&self.rotations)
        )
    }
}
