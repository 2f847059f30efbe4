//! Stages and warnings of expiry, and files that become unusable.

use std::fs;
use std::sync::atomic::AtomicUsize;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{set_default, DefaultGuard};
use tracing::{Event, Metadata, Subscriber};
use transport_testkit::pki::Authority;

use super::*;

const KEY: &str = "tls.crl_path";
const DATES: CrlDates = CrlDates {
    this_update: 1000,
    next_update: 2000,
};

/// Counts the warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Warnings {
    fn capture() -> (Self, DefaultGuard) {
        let warnings = Self::default();
        (warnings.clone(), set_default(warnings))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target() == "ron_transport"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn expiry_stages() {
    let expiry = CrlExpiry::of(KEY, [DATES].into_iter());
    let stages = [1000, 1899, 1900, 1999, 2000, 3000].map(|now| expiry.stage(now));
    assert_eq!(stages, [0, 0, 1, 1, 2, 2]);
    assert_eq!(CrlExpiry::default().stage(0), 0);
}

#[test]
fn each_stage_is_warned_about_once() {
    let (warnings, _guard) = Warnings::capture();
    let crls = Crls {
        files: Vec::new(),
        expiry: CrlExpiry::of(KEY, [DATES].into_iter()),
    };
    let counts = [1000, 1950, 1960, 2000, 3000, 1950].map(|now| {
        crls.warn(now);
        warnings.count()
    });
    assert_eq!(counts, [0, 1, 1, 2, 2, 2]);
    Crls::default().warn(5000);
    assert_eq!(warnings.count(), 2);
}

/// Files below a directory of the test.
struct CrlFiles(tempfile::TempDir);

impl CrlFiles {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn reload_of_same_lists_repeats_no_warning() {
    let (files, authority) = (CrlFiles::new(), Authority::new());
    let path = files.write("a.pem", authority.crl((2020, 2021), &[]).pem.as_bytes());
    let (warnings, _guard) = Warnings::capture();
    let (first, error) = Crls::read(KEY, std::slice::from_ref(&path), &Crls::default());
    assert!(error.is_none());
    first.warn(first.end());
    assert_eq!(warnings.count(), 1);
    let (second, _) = Crls::read(KEY, std::slice::from_ref(&path), &first);
    second.warn(second.end());
    assert_eq!(warnings.count(), 1, "the same CRL");
    let newer = authority.crl((2021, 2022), &[]);
    files.write("a.pem", newer.pem.as_bytes());
    let (third, _) = Crls::read(KEY, &[path], &second);
    assert!(third.end() > second.end());
    third.warn(third.end());
    assert_eq!(warnings.count(), 2, "another CRL");
}

#[test]
fn removed_file_stays_beside_a_broken_one() {
    let (files, authority) = (CrlFiles::new(), Authority::new());
    let crl = |years| authority.crl(years, &[]).pem;
    let kept = files.write("kept.pem", crl((2020, 2040)).as_bytes());
    let broken = files.write("broken.pem", crl((2021, 2040)).as_bytes());
    let removed = files.write("removed.pem", crl((2022, 2040)).as_bytes());
    let all = [kept.clone(), broken.clone(), removed];
    let (before, error) = Crls::read(KEY, &all, &Crls::default());
    assert!(error.is_none());
    assert_eq!(before.ders().len(), 3);
    let fewer = [kept, broken.clone()];
    let (without, error) = Crls::read(KEY, &fewer, &before);
    assert!(error.is_none());
    assert_eq!(without.ders().len(), 2);
    fs::write(broken, "no CRL").unwrap();
    let (after, error) = Crls::read(KEY, &fewer, &before);
    assert!(error.is_some());
    assert_eq!(after.ders(), before.ders(), "nothing is undone");
}
