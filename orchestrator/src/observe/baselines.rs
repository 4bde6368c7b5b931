//! What was counted before promotions, on disk: the next daemon could not count it again. One small file, written
//! when a version takes all the traffic, and when that is over. Without it a promoted version ends unjudged.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ostler_core::{analysis::Known, id::ServiceKey};

/// Kept by the driver alone.
pub struct Baselines {
    path: PathBuf,
    written: BTreeMap<ServiceKey, Known>,
}

impl Baselines {
    /// Reads it. Where it is not there, or makes no sense, nothing is known of before.
    pub fn open(path: PathBuf) -> Self {
        let written = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, file = %path.display(), "what was counted before promotions cannot be read; versions that were promoted end unjudged");
            }
            BTreeMap::new()
        });
        Self { path, written }
    }

    /// What it holds.
    pub fn known(&self) -> &BTreeMap<ServiceKey, Known> {
        &self.written
    }

    /// Writes down what is known now, where that differs. A disk that takes nothing is tried again at the next
    /// promotion: this daemon knows all the same.
    pub fn keep(&mut self, known: &BTreeMap<ServiceKey, Known>) {
        if self.written == *known {
            return;
        }
        self.written.clone_from(known);
        if let Err(error) = self.write() {
            tracing::warn!(%error, file = %self.path.display(), "what was counted before a promotion cannot be kept for the next daemon");
        }
    }

    fn write(&self) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(&self.written)?)?;
        fs::rename(fresh, &self.path)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<ServiceKey, Known>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
