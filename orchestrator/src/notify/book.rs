//! What one webhook was told, on disk: a daemon that begins anew goes on where the last one stopped.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use ostler_tools::record::Records;

use super::notice::{Notice, Told};
use crate::clock;

/// Kept by one delivery alone.
pub struct Book {
    path: PathBuf,
    told: Told,
}

impl Book {
    /// Reads it. One that is not there, or that makes no sense, begins now: what waits is told (again).
    pub fn open(path: PathBuf) -> Self {
        let read = fs::read(&path).map(|bytes| serde_json::from_slice::<Told>(&bytes));
        let told = match read {
            Ok(Ok(told)) => return Self { path, told },
            Ok(Err(error)) => {
                tracing::warn!(%error, file = %path.display(), "what a webhook was told cannot be read; it begins anew");
                beginning()
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, file = %path.display(), "what a webhook was told cannot be read");
                }
                beginning()
            }
        };
        let book = Self { path, told };
        book.keep();
        book
    }

    /// What is in it.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Writes down what was told. What is no longer on record needs no line.
    pub fn tell(&mut self, notice: &Notice, records: &Records) {
        let of = &mut self.told.of;
        of.retain(|id, _| records.approvals.contains_key(id));
        of.insert(notice.approval.id.clone(), notice.news);
        self.keep();
    }

    /// A disk that takes nothing costs no notice: it may be sent again by the next daemon.
    fn keep(&self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, file = %self.path.display(), "what a webhook was told cannot be kept; it may be told twice");
        }
    }

    fn write(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = self.path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&self.told)?)?;
        file.sync_all()?;
        fs::rename(fresh, &self.path)
    }
}

fn beginning() -> Told {
    Told {
        since: clock::now(),
        ..Told::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::notice::{News, due, tests::request};

    #[test]
    fn the_next_daemon_knows_what_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify/ops.json");
        let (mut records, waits) = (Records::default(), request("apr_1"));
        records.approvals.insert(waits.id.clone(), waits.clone());
        let mut book = Book::open(path.clone());
        let now = ostler_core::time::Time(1_500);
        let notices = due(&records, book.told(), now);
        book.tell(notices.first().unwrap(), &records);
        let next = Book::open(path.clone());
        assert_eq!(next.told(), book.told());
        assert_eq!(next.told().of.get(&waits.id), Some(&News::Requested));
        assert_eq!(due(&records, next.told(), now), []);
        fs::write(&path, "{").unwrap();
        assert_eq!(Book::open(path).told().of.len(), 0, "half a book is none");
    }
}
