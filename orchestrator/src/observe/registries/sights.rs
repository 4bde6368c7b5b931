//! When what registries offer was first seen, on disk for the next daemon: how long a version has been there is
//! asked before it comes in, and a restart makes nothing younger.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ostler_core::time::Time;

/// When each digest was first seen, by repository.
pub(super) type First = BTreeMap<String, BTreeMap<String, Time>>;

/// The file, and what it says.
pub(super) struct Sights {
    path: PathBuf,
    written: First,
}

impl Sights {
    /// What an earlier daemon saw. A file that is not legible is as good as none, and is told.
    pub(super) fn read(path: PathBuf) -> Self {
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<First>(&text)?));
        let written = read.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(%error, "when versions were first seen cannot be read; they count as new");
            }
            First::new()
        });
        Self { path, written }
    }

    /// What is known of it, as it was written: a clock that is behind at a start must make nothing older, and one that
    /// was ahead only makes versions wait.
    pub(super) fn known(&self) -> First {
        self.written.clone()
    }

    /// Writes down what is known now, where that is something else.
    pub(super) fn keep(&mut self, first: First) {
        if first == self.written {
            return;
        }
        match write(&self.path, &first) {
            Ok(()) => self.written = first,
            Err(error) => {
                tracing::warn!(%error, "when versions were first seen cannot be written down");
            }
        }
    }
}

fn write(path: &Path, first: &First) -> io::Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, serde_json::to_vec(first)?)?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_daemon_knows_whatever_its_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.json");
        let ahead = Time(u64::MAX);
        let of = |at| BTreeMap::from([("sha256:a".to_owned(), at)]);
        let first: First = [("a.example/web".to_owned(), of(Time(5)))].into();
        let mut sights = Sights::read(path.clone());
        assert!(sights.known().is_empty());
        sights.keep(first.clone());
        assert_eq!(Sights::read(path.clone()).known(), first);
        let later: First = [("a.example/web".to_owned(), of(ahead))].into();
        sights.keep(later.clone());
        assert_eq!(Sights::read(path.clone()).known(), later);
        fs::write(&path, "{").unwrap();
        assert!(Sights::read(path).known().is_empty());
    }
}
