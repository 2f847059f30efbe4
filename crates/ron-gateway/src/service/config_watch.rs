//! Watches the configuration files every two seconds.
//!
//! The content is compared, read by path, so that a changed symlink (a Kubernetes ConfigMap) is
//! detected too.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use ron_transport::limits::Threads;
use ron_transport::{open_file, read_bounded};
use tokio::time::sleep;

/// Interval between reads.
const EVERY: Duration = Duration::from_secs(2);
/// Time that changed content must stay equal: an editor writes in steps.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// Bytes read of a file; a larger one cannot be loaded.
const MAX_BYTES: u64 = 1 << 20;

/// The watched files, and the digest last acted on.
pub(super) struct ConfigWatch {
    files: Vec<PathBuf>,
    keys: RandomState,
    look: Threads,
    acted_on: u64,
}

impl ConfigWatch {
    /// Starts to watch: reads the files once on this thread.
    pub(super) fn new(files: &[PathBuf], look: Threads) -> Self {
        let mut watch = Self {
            files: files.to_vec(),
            keys: RandomState::new(),
            look,
            acted_on: 0,
        };
        watch.acted_on = watch.digest()();
        watch
    }

    /// Returns a function that reads and hashes the files, which may block.
    pub(super) fn digest(&self) -> impl FnOnce() -> u64 + Send + 'static {
        let (keys, files) = (self.keys.clone(), self.files.clone());
        move || digest(&keys, &files)
    }

    /// Records the digest of content that was loaded.
    pub(super) fn acted_on(&mut self, digest: u64) {
        self.acted_on = digest;
    }

    /// Waits until changed content was stable for the debounce time.
    ///
    /// Pends without files. The content then counts as acted on.
    ///
    /// Cancel-safe: the next call detects a change that was not returned.
    pub(super) async fn changed(&mut self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        loop {
            sleep(EVERY).await;
            let mut now = self.look().await;
            while now != self.acted_on {
                sleep(DEBOUNCE).await;
                let later = self.look().await;
                if later == now {
                    self.acted_on = now;
                    return;
                }
                now = later;
            }
        }
    }

    /// Hashes the files on the watch thread: a file system may block.
    async fn look(&self) -> u64 {
        let looking = self.look.run(self.digest());
        // The hash does not panic; a failed thread counts as unchanged.
        looking.await.unwrap_or(self.acted_on)
    }
}

/// Returns a keyed hash of the contents or of the read errors.
fn digest(keys: &RandomState, files: &[PathBuf]) -> u64 {
    let mut hasher = keys.build_hasher();
    for file in files {
        match open_file(file).and_then(|file| read_bounded(file, MAX_BYTES)) {
            Ok(bytes) => {
                hasher.write_usize(bytes.len());
                hasher.write(&bytes);
            }
            Err(error) => hasher.write(format!("{:?}", error.kind()).as_bytes()),
        }
    }
    hasher.finish()
}
