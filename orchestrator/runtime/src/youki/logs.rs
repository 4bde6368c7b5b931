//! Pages of an instance's log. The cursor is the offset in the whole stream, which files that were
//! rotated away leave as it is.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use ostler_core::time::Time;

use super::wire::{LINE_LIMIT, LogEntry};
use crate::backend::{LogLine, LogPage, LogQuery, Stream};

/// Most lines in a page.
const LINES: u32 = 10_000;
/// A line of a file longer than this is not ours: eight times the text (escapes), and room for the rest.
const RECORD_LIMIT: u64 = 8 * LINE_LIMIT as u64;

/// Reads a page; an absent log is an empty one.
pub(super) fn read(dir: &Path, query: &LogQuery) -> io::Result<LogPage> {
    let files = files(dir)?;
    let first = files.first().map_or(0, |(base, _)| *base);
    let from = query.after.unwrap_or(first).max(first);
    let tail = usize::try_from(query.tail.min(LINES)).unwrap_or(usize::MAX);
    let mut page = LogPage {
        truncated: query.after.unwrap_or(0) < first,
        cursor: from,
        ..LogPage::default()
    };
    let mut lines: VecDeque<LogLine> = VecDeque::new();
    for (base, path) in files {
        let mut file = BufReader::new(File::open(path)?);
        let length = file.get_ref().metadata()?.len();
        if base + length <= from {
            continue;
        }
        let mut offset = from.max(base);
        file.seek(SeekFrom::Start(offset - base))?;
        let mut record = Vec::new();
        loop {
            record.clear();
            let count = io::Read::take(&mut file, RECORD_LIMIT).read_until(b'\n', &mut record)?;
            // A line that is being written is left for the next page.
            if count == 0 || (!record.ends_with(b"\n") && (count as u64) < RECORD_LIMIT) {
                break;
            }
            offset += count as u64;
            page.cursor = offset;
            lines.extend(
                line(&record).filter(|line| query.since.is_none_or(|since| line.at >= since)),
            );
            if lines.len() > tail {
                lines.pop_front();
            }
        }
    }
    page.lines = lines.into();
    Ok(page)
}

fn files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let base: Option<u64> = path
            .file_name()
            .and_then(|n| n.to_str()?.strip_suffix(".jsonl")?.parse().ok());
        files.extend(base.map(|base| (base, path)));
    }
    files.sort_unstable();
    Ok(files)
}

/// One record; what is not whole is skipped.
fn line(record: &[u8]) -> Option<LogLine> {
    let entry: LogEntry<'_> = serde_json::from_slice(record).ok()?;
    let stream = if entry.fd == 2 {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    let text = entry
        .text
        .chars()
        .filter(|c| *c == '\t' || !c.is_control())
        .collect();
    Some(LogLine {
        at: Time(entry.at),
        stream,
        attempt: entry.attempt,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(files: &[(u64, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (base, text) in files {
            fs::write(dir.path().join(format!("{base:020}.jsonl")), text).unwrap();
        }
        dir
    }

    fn entry(at: u64, text: &str) -> String {
        let entry = LogEntry {
            at,
            fd: 1,
            attempt: 1,
            text: text.into(),
        };
        format!("{}\n", serde_json::to_string(&entry).unwrap())
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn pages_follow_one_another_across_files() {
        let (one, two, three) = (
            entry(1, "one"),
            entry(2, "two\u{1b}[31m"),
            entry(3, "three"),
        );
        let first = format!("{one}{two}");
        let dir = log(&[
            (100, &first),
            (100 + first.len() as u64, &format!("{three}{{\"at\":4")),
        ]);
        let all = LogQuery {
            after: None,
            since: None,
            tail: 100,
        };
        let page = read(dir.path(), &all).unwrap();
        assert_eq!(texts(&page), ["one", "two[31m", "three"]);
        assert!(page.truncated);
        assert_eq!(page.cursor, 100 + (first.len() + three.len()) as u64);
        let next = read(
            dir.path(),
            &LogQuery {
                after: Some(page.cursor),
                ..all.clone()
            },
        )
        .unwrap();
        assert_eq!(
            (next.lines.len(), next.cursor, next.truncated),
            (0, page.cursor, false)
        );
    }

    #[test]
    fn a_page_is_cut_as_asked() {
        let (one, two, three) = (entry(1, "one"), entry(2, "two"), entry(3, "three"));
        let dir = log(&[
            (100, &format!("{one}{two}")),
            (100 + (one.len() + two.len()) as u64, &three),
        ]);
        let all = LogQuery {
            after: None,
            since: None,
            tail: 100,
        };
        let ask = |query: LogQuery| read(dir.path(), &query).unwrap();
        let after_one = ask(LogQuery {
            after: Some(100 + one.len() as u64),
            ..all.clone()
        });
        assert_eq!(texts(&after_one), ["two", "three"]);
        assert_eq!(
            texts(&ask(LogQuery {
                tail: 1,
                ..all.clone()
            })),
            ["three"]
        );
        assert_eq!(
            texts(&ask(LogQuery {
                since: Some(Time(3)),
                ..all.clone()
            })),
            ["three"]
        );
        assert!(
            ask(LogQuery {
                after: Some(5),
                ..all
            })
            .truncated
        );
    }
}
