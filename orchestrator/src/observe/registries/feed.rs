//! The folder of known vulnerabilities: read whole, and again when something in it was written.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use ostler_core::time::Time;
use ostler_tools::answer::FeedInfo;
use ostler_upgrades::osv::{Feed, RECORDS_LIMIT};

use crate::clock;

/// Most bytes of one record.
const RECORD_LIMIT: u64 = 4 << 20;
/// Deepest folder below the one that is named.
const DEPTH: usize = 3;

/// What a folder looks like from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sight {
    files: Vec<PathBuf>,
    newest: Option<Time>,
    left_out: usize,
}

/// A folder's records.
pub(super) struct Read {
    pub(super) sight: Sight,
    pub(super) feed: Feed,
    pub(super) info: FeedInfo,
}

/// Looks at a folder's files, names and times only.
pub(super) fn sight(folder: &Path) -> io::Result<Sight> {
    let mut sight = Sight::default();
    collect(folder, 0, &mut sight)?;
    sight.files.sort();
    Ok(sight)
}

fn collect(folder: &Path, depth: usize, sight: &mut Sight) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, meta) = (entry.path(), entry.metadata()?);
        if meta.is_dir() && depth < DEPTH {
            collect(&path, depth + 1, sight)?;
        } else if meta.is_file() && path.extension().is_some_and(|end| end == "json") {
            if sight.files.len() >= RECORDS_LIMIT || meta.len() > RECORD_LIMIT {
                sight.left_out += 1;
                continue;
            }
            let written = meta.modified().ok();
            let since = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let at = since.map(|since| Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)));
            sight.newest = sight.newest.max(at);
            sight.files.push(path);
        }
    }
    Ok(())
}

/// Reads every record. What cannot be read is counted, and the first of it named.
pub(super) fn read(sight: Sight) -> Read {
    let (mut feed, mut failed, mut first) = (Feed::default(), 0_usize, None);
    for file in &sight.files {
        let text = fs::read_to_string(file).map_err(|error| error.to_string());
        if let Err(why) = text.and_then(|text| feed.add(&text)) {
            failed += 1;
            first.get_or_insert_with(|| format!("`{}`: {why}", file.display()));
        }
    }
    let mut problem = first.map(|first| format!("{failed} files could not be read; {first}"));
    if sight.left_out > 0 {
        let left_out = format!("{} files are too many or too large", sight.left_out);
        problem = Some(problem.map_or(left_out.clone(), |words| format!("{left_out}; {words}")));
    }
    let info = FeedInfo {
        records: u32::try_from(feed.records()).unwrap_or(u32::MAX),
        read_at: clock::now(),
        newest_at: sight.newest,
        problem,
    };
    Read { sight, feed, info }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_what_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("Debian")).unwrap();
        write("Debian/a.json", r#"{ "id": "A", "affected": [] }"#);
        write("b.json", "{");
        write("README", "no record");
        let seen = sight(dir.path()).unwrap();
        let found = read(seen.clone());
        assert_eq!(found.info.records, 1);
        let problem = found.info.problem.unwrap();
        assert!(
            problem.starts_with("1 files could not be read") && problem.contains("b.json"),
            "{problem}"
        );
        assert_eq!(sight(dir.path()).unwrap(), seen);
        write("c.json", "{}");
        assert_ne!(sight(dir.path()).unwrap(), seen, "a new file is seen");
        assert!(sight(&dir.path().join("none")).is_err());
    }
}
