//! The instance's output: JSON lines in files named by the offset of their first byte, bounded in
//! size and number. A full disk loses lines, never blocks the container.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use crate::{
    record::now_ms,
    wire::{LINE_LIMIT, LogEntry, LogLimits},
};

/// Where lines go.
pub struct Log {
    dir: PathBuf,
    limits: LogLimits,
    attempt: u32,
    file: Option<File>,
    base: u64,
    length: u64,
}

impl Log {
    /// Continues the log in `dir`, which is made when absent.
    pub fn open(dir: &Path, limits: LogLimits, attempt: u32) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let base = offsets(dir)?.last().copied().unwrap_or(0);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path(dir, base))?;
        let mut length = file.seek(SeekFrom::End(0))?;
        if length > 0 && !ends_with_newline(&mut file)? {
            file.write_all(b"\n")?;
            length += 1;
        }
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            attempt,
            file: Some(file),
            base,
            length,
        })
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.length >= self.limits.file_bytes {
            self.rotate();
        }
        let Some(file) = &mut self.file else { return };
        match file.write_all(bytes) {
            Ok(()) => self.length += bytes.len() as u64,
            // Cut back to the last whole line; what could not be written is lost.
            Err(_) => drop(file.set_len(self.length)),
        }
    }

    fn rotate(&mut self) {
        let base = self.base + self.length;
        let next = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path(&self.dir, base));
        if let Ok(file) = next {
            (self.file, self.base, self.length) = (Some(file), base, 0);
        }
        let all = offsets(&self.dir).unwrap_or_default();
        for old in all
            .iter()
            .take(all.len().saturating_sub(self.limits.files.max(1)))
        {
            drop(fs::remove_file(path(&self.dir, *old)));
        }
    }
}

fn path(dir: &Path, offset: u64) -> PathBuf {
    dir.join(format!("{offset:020}.jsonl"))
}

/// Offsets of the log's files, ascending.
fn offsets(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let offset: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".jsonl"))
            .and_then(|name| name.parse().ok());
        found.extend(offset);
    }
    found.sort_unstable();
    Ok(found)
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// One of the container's two output streams.
pub struct Stream {
    pipe: Option<File>,
    number: u8,
    line: Vec<u8>,
}

impl Stream {
    /// The reading end of a pipe, not blocking.
    pub fn new(pipe: File, number: u8) -> Self {
        Self {
            pipe: Some(pipe),
            number,
            line: Vec::new(),
        }
    }

    /// For poll(2), while open.
    pub fn pipe(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.pipe.as_ref().map(File::as_fd)
    }

    /// Reads what is there, at most 1 MiB so that nobody else waits, and writes whole lines.
    pub fn pump(&mut self, log: &mut Log) {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..64 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => return self.finish(log),
                Ok(count) => self.take(buffer.get(..count).unwrap_or_default(), log),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.finish(log),
            }
        }
    }

    /// Writes an unfinished last line and closes.
    pub fn finish(&mut self, log: &mut Log) {
        self.pipe = None;
        let rest = std::mem::take(&mut self.line);
        if !rest.is_empty() {
            log.append(&entry(&rest, self.number, log.attempt));
        }
    }

    fn take(&mut self, bytes: &[u8], log: &mut Log) {
        let mut out = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_LIMIT.saturating_sub(self.line.len()).min(piece.len());
            self.line
                .extend_from_slice(piece.get(..room).unwrap_or_default());
            if pieces.peek().is_some() {
                out.extend(entry(&self.line, self.number, log.attempt));
                self.line.clear();
            }
        }
        if !out.is_empty() {
            log.append(&out);
        }
    }
}

fn entry(line: &[u8], fd: u8, attempt: u32) -> Vec<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let entry = LogEntry {
        at: now_ms(),
        fd,
        attempt,
        text: String::from_utf8_lossy(line),
    };
    let mut bytes = serde_json::to_vec(&entry).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bytes: &[u8], limits: LogLimits) -> (tempfile::TempDir, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), limits, 3).unwrap();
        let mut stream = Stream {
            pipe: None,
            number: 1,
            line: Vec::new(),
        };
        for piece in bytes.chunks(7) {
            stream.take(piece, &mut log);
        }
        stream.finish(&mut log);
        let read = |offset| fs::read_to_string(path(dir.path(), offset)).unwrap();
        let lines = offsets(dir.path())
            .unwrap()
            .into_iter()
            .flat_map(|o| read(o).lines().map(str::to_owned).collect::<Vec<_>>());
        let lines = lines
            .map(|line| {
                serde_json::from_str::<LogEntry<'_>>(&line)
                    .unwrap()
                    .text
                    .into_owned()
            })
            .collect();
        (dir, lines)
    }

    const WIDE: LogLimits = LogLimits {
        file_bytes: 1 << 20,
        files: 2,
    };

    #[test]
    fn lines_are_split_cut_and_kept_whole() {
        let long = "x".repeat(LINE_LIMIT + 100);
        let (_dir, lines) = filled(format!("one\r\n\n{long}\nno end").as_bytes(), WIDE);
        assert_eq!(lines, ["one", "", &long[..LINE_LIMIT], "no end"]);
    }

    #[test]
    fn files_are_bounded_and_named_by_offset() {
        let text: String = (0..1_000).map(|n| format!("line {n}\n")).collect();
        let (dir, lines) = filled(
            text.as_bytes(),
            LogLimits {
                file_bytes: 2_000,
                files: 2,
            },
        );
        let all = offsets(dir.path()).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(
            all[0] + fs::metadata(path(dir.path(), all[0])).unwrap().len(),
            all[1]
        );
        assert_eq!(lines.last().unwrap(), "line 999");
        assert!(lines.len() < 100);
    }

    #[test]
    fn a_torn_last_line_does_not_swallow_the_next() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path(), 0), b"{\"at\":1,\"fd\"").unwrap();
        let mut log = Log::open(dir.path(), WIDE, 1).unwrap();
        log.append(b"next\n");
        assert_eq!(
            fs::read_to_string(path(dir.path(), 0)).unwrap(),
            "{\"at\":1,\"fd\"\nnext\n"
        );
    }
}
