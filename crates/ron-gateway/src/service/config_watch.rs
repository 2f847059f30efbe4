//! A look at the configuration files every two seconds: what counts is their content, read anew
//! by path, so that a symlink which points elsewhere (a Kubernetes ConfigMap) is seen as well.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use ron_transport::limits::Threads;
use ron_transport::{open_file, read_bounded};
use tokio::time::sleep;

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(2);
/// How long a changed content must stay the same before it is loaded: an editor writes in steps.
const DEBOUNCE: Duration = Duration::from_millis(500);
/// Bytes of a file that are looked at; a larger one cannot be loaded.
const MAX_BYTES: u64 = 1 << 20;

/// The files, and the content that was last acted on.
pub(super) struct ConfigWatch {
    files: Vec<PathBuf>,
    keys: RandomState,
    look: Threads,
    acted_on: u64,
}

impl ConfigWatch {
    /// From now on changes count. Reads the files, and from then on on this thread.
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

    /// What reads the files and says what they hold. Blocks on the file system.
    pub(super) fn digest(&self) -> impl FnOnce() -> u64 + Send + 'static {
        let (keys, files) = (self.keys.clone(), self.files.clone());
        move || digest(&keys, &files)
    }

    /// Takes a content for acted on: somebody has loaded it.
    pub(super) fn acted_on(&mut self, digest: u64) {
        self.acted_on = digest;
    }

    /// Waits until the content is another, and has been the same for the debounce time; then it
    /// counts as acted on. Without a file it waits for ever.
    ///
    /// Cancel-safe: a change that was not returned is seen by the next call.
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

    /// On a thread of its own: a file system may take its time.
    async fn look(&self) -> u64 {
        let looking = self.look.run(self.digest());
        // It does not panic; were it to, nothing would have changed.
        looking.await.unwrap_or(self.acted_on)
    }
}

/// A keyed hash of what the files hold, or of why they cannot be read.
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
