//! Directories of instances that are gone: moved out of sight at once, removed in the background.
//! Whoever takes an instance away does not wait for the disk to let go of every file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Where they wait.
pub(super) struct Trash {
    dir: PathBuf,
    counter: AtomicU64,
}

impl Trash {
    /// Makes the directory; what an earlier daemon left in it is removed in the background.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let trash = Self {
            dir: dir.to_owned(),
            counter: AtomicU64::new(0),
        };
        for entry in fs::read_dir(dir)? {
            let left = entry?.path();
            // Names of this daemon begin after those of all others.
            let number = left
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            let next = number.map_or(0, |number: u64| number.saturating_add(1));
            trash.counter.fetch_max(next, Ordering::Relaxed);
            remove(left);
        }
        Ok(trash)
    }

    /// Moves a directory out of sight and has it removed; one that is gone already is as good.
    pub(super) fn take(&self, dir: &Path) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let aside = self.dir.join(number.to_string());
        match fs::rename(dir, &aside) {
            Ok(()) => remove(aside),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes what waits, now.
    pub(super) fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            // Another may be at the same work.
            match fs::remove_dir_all(entry?.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What cannot be removed now is tried again by the next daemon.
fn remove(dir: PathBuf) {
    drop(tokio::task::spawn_blocking(
        move || match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(dir = %dir.display(), %error, "what an instance left is not removed yet");
            }
            _ => {}
        },
    ));
}
