//! Output of a process, kept in memory and bounded.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::now;
use crate::backend::{LogLine, LogPage, LogQuery, Stream};

/// Most lines kept.
const LINES: usize = 10_000;
/// Longest line kept, in bytes.
const LINE: u64 = 8 * 1024;

/// The last lines; the cursor counts lines.
#[derive(Default)]
pub(super) struct Output(Mutex<(u64, VecDeque<LogLine>)>);

impl Output {
    /// Reads one stream to its end.
    pub(super) async fn follow(&self, pipe: impl AsyncRead + Unpin, stream: Stream, attempt: u32) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut pipe).take(LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line)
                .chars()
                .filter(|c| *c == '\t' || !c.is_control())
                .collect();
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.0 += 1;
            kept.1.push_back(LogLine {
                at: now(),
                stream,
                attempt,
                text,
            });
            if kept.1.len() > LINES {
                kept.1.pop_front();
            }
        }
    }

    /// A page of it.
    pub(super) fn page(&self, query: &LogQuery) -> LogPage {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.0 - kept.1.len() as u64;
        let skip =
            usize::try_from(query.after.unwrap_or(0).saturating_sub(first)).unwrap_or(usize::MAX);
        let wanted = kept
            .1
            .iter()
            .skip(skip)
            .filter(|line| query.since.is_none_or(|since| line.at >= since));
        let mut lines: Vec<LogLine> = wanted.cloned().collect();
        lines.drain(
            ..lines
                .len()
                .saturating_sub(usize::try_from(query.tail).unwrap_or(usize::MAX)),
        );
        LogPage {
            lines,
            cursor: kept.0,
            truncated: query.after.unwrap_or(0) < first,
        }
    }
}
