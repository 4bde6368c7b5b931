//! A small JSON file of the state directory: what was seen and cannot be seen again, for the next daemon. It is no
//! intent: where it is lost, nothing is supposed.

use std::{fs, io, path::PathBuf};

use serde::{Serialize, de::DeserializeOwned};

/// A value, and the file that holds it.
pub struct Kept<T> {
    path: PathBuf,
    /// What it holds, for people.
    what: &'static str,
    value: T,
}

impl<T: Clone + Default + PartialEq + Serialize + DeserializeOwned> Kept<T> {
    /// Reads it. A file that is not legible is as good as none, and is told.
    pub fn open(path: PathBuf, what: &'static str) -> Self {
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let value = read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(%error, file = %path.display(), "{what}: it cannot be read and counts as not known");
            }
            T::default()
        });
        Self { path, what, value }
    }

    /// What it holds.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Writes this in its place, all or nothing, where it differs. What the disk does not take is told, and tried again
    /// with the next difference: this daemon knows all the same.
    pub fn keep(&mut self, value: &T) {
        if self.value == *value {
            return;
        }
        self.value.clone_from(value);
        if let Err(error) = self.write() {
            let (file, what) = (self.path.display(), self.what);
            tracing::warn!(%error, %file, "{what}: it cannot be kept for the next daemon");
        }
    }

    fn write(&self) -> io::Result<()> {
        let draft = self.path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec(&self.value)?)?;
        fs::rename(draft, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_daemon_knows_and_a_broken_file_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.json");
        let open = || Kept::<Vec<u64>>::open(path.clone(), "numbers");
        let mut kept = open();
        assert!(kept.value().is_empty());
        kept.keep(&vec![5, u64::MAX]);
        assert_eq!(*open().value(), [5, u64::MAX]);
        fs::write(&path, "{").unwrap();
        assert!(open().value().is_empty());
        let mut nowhere = Kept::open(dir.path().join("none/seen.json"), "numbers");
        nowhere.keep(&vec![7]);
        assert_eq!(*nowhere.value(), [7], "this daemon knows all the same");
    }
}
