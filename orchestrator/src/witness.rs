//! The witness: a file beside the store, best on another disk, with signed heads of the audit log.
//!
//! A store that somebody put back to yesterday fits its own checkpoint; it does not fit this file, so the
//! daemon does not open it and `ostler audit verify --offline --witness` says so.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use ostler_gate::{Gate, audit::SignedHead};
use tokio_util::sync::CancellationToken;

use crate::state_dir::StateDir;

/// Between heads.
const ROUND: Duration = Duration::from_secs(60);
/// Beyond this many bytes, every second head of the older half goes.
const FULL: usize = 1 << 20;

/// Where heads are kept.
#[derive(Debug, Clone)]
pub struct Witness {
    path: PathBuf,
}

impl Witness {
    /// The operator's file, or one in the state directory.
    #[must_use]
    pub fn of(state: &StateDir, file: Option<&Path>) -> Self {
        let own = || state.root().join("audit-witness.jsonl");
        Self {
            path: file.map_or_else(own, Path::to_owned),
        }
    }

    /// Checks that the log continues what was seen of it last.
    ///
    /// # Errors
    /// When it does not: it was cut back, rewritten or put back to an older copy; or when the file
    /// cannot be read.
    pub async fn agrees(&self, gate: &Gate) -> anyhow::Result<()> {
        let file = self.path.display();
        let text = self
            .text()
            .with_context(|| format!("cannot read the audit log's witness `{file}`"))?;
        let Some(line) = text.lines().next_back() else {
            return Ok(());
        };
        let help = format!(
            "the audit log is not the one that its witness `{file}` saw. If you put back a backup on purpose, \
             keep that file as evidence, move it elsewhere and start again"
        );
        let seen: SignedHead = serde_json::from_str(line).with_context(|| help.clone())?;
        gate.continues(&seen).await.context(help)
    }

    /// Keeps the head every minute in which the log grew, until told to stop.
    pub async fn watch(self, gate: Arc<Gate>, stop: CancellationToken) {
        loop {
            self.keep(&gate).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// Keeps the head as it is now. That it cannot is told and holds nothing up.
    pub async fn keep(&self, gate: &Gate) {
        if let Err(error) = self.append(&gate.signed_head().await) {
            tracing::error!(%error, file = %self.path.display(), "the audit log's head cannot be kept with its witness");
        }
    }

    fn append(&self, head: &SignedHead) -> io::Result<()> {
        let text = self.text()?;
        let line = serde_json::to_string(head)? + "\n";
        if text.lines().next_back() == Some(line.trim_end()) {
            return Ok(());
        }
        if text.len() >= FULL {
            return self.replace(&(thinned(&text) + &line));
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        file.set_len(text.len() as u64)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(fresh, &self.path)
    }

    /// What was kept so far; a line that was cut off by a crash is not.
    fn text(&self) -> io::Result<String> {
        let mut text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text.truncate(whole);
        Ok(text)
    }
}

/// Without every second line of the older half: what is long ago is seen in larger steps.
fn thinned(text: &str) -> String {
    let half = text.lines().count() / 2;
    let kept = text.lines().enumerate();
    let kept = kept.filter(|(number, _)| *number >= half || number % 2 == 0);
    kept.flat_map(|(_, line)| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> SignedHead {
        SignedHead {
            checkpoint: format!("head {size}"),
            public_key: "key".to_owned(),
        }
    }

    #[test]
    fn heads_are_added_once_and_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let witness = Witness {
            path: dir.path().join("witness.jsonl"),
        };
        for size in [1, 2, 2] {
            witness.append(&head(size)).unwrap();
        }
        let whole = witness.text().unwrap();
        assert_eq!(whole.lines().count(), 2);
        fs::write(&witness.path, whole.clone() + "{\"checkpoint\":\"hea").unwrap();
        assert_eq!(witness.text().unwrap(), whole, "half a line is none");
        witness.append(&head(3)).unwrap();
        let text = fs::read_to_string(&witness.path).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn what_is_long_ago_is_kept_in_larger_steps() {
        let lines =
            |range: std::ops::Range<u32>| range.map(|n| format!("{n}\n")).collect::<String>();
        assert_eq!(thinned(&lines(0..8)), "0\n2\n4\n5\n6\n7\n");
    }
}
