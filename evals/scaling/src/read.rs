//! Recorded load: the traces of the 1998 World Cup's site and of Autothrottle, from wherever they lie.
//!
//! They are no part of the project: see `docs/scaling.md` for where they come from.

use std::{fs, path::Path};

use crate::shop::STEP_S;

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No such file.
    #[error("cannot read the trace `{path}`")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("`{path}`, line {line}: `{text}` is not {accepted}")]
    Line {
        /// Which file.
        path: String,
        /// From 1.
        line: usize,
        /// What is there.
        text: String,
        /// What should be.
        accepted: &'static str,
    },
    /// It ends too soon, or the days are not in it.
    #[error("`{path}` has nothing from `{from}` to `{until}`")]
    Empty {
        /// Which file.
        path: String,
        /// First day.
        from: String,
        /// The day after the last.
        until: String,
    },
}

fn text(path: &Path) -> Result<String, TraceError> {
    fs::read_to_string(path).map_err(|source| TraceError::Read {
        path: path.display().to_string(),
        source,
    })
}

fn refuse(path: &Path, line: usize, text: &str, accepted: &'static str) -> TraceError {
    TraceError::Line {
        path: path.display().to_string(),
        line: line + 1,
        text: text.chars().take(40).collect(),
        accepted,
    }
}

/// One rate a second, a line each: averaged over the steps of the simulation.
///
/// # Errors
/// [`TraceError`] where the file cannot be read, or a line is no number.
pub fn autothrottle(path: &Path) -> Result<Vec<f64>, TraceError> {
    let mut rates = Vec::new();
    for (line, rate) in text(path)?.split_whitespace().enumerate() {
        let number = rate
            .parse::<f64>()
            .ok()
            .filter(|rate| rate.is_finite() && *rate >= 0.0);
        rates.push(number.ok_or_else(|| refuse(path, line, rate, "a rate per second"))?);
    }
    let width = usize::try_from(STEP_S).unwrap_or(1);
    Ok(rates.chunks(width).map(mean).collect())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / f64::from(u32::try_from(values.len().max(1)).unwrap_or(1))
}

/// Requests of each minute, as `period,count` lines: from the first day until before the last, both as
/// `1998-06-10`. A minute that is not there repeats the one before; between the middles of minutes the
/// rate is a line.
///
/// # Errors
/// [`TraceError`] where the file cannot be read, a line is none, or the days are not in it.
pub fn worldcup(path: &Path, from: &str, until: &str) -> Result<Vec<f64>, TraceError> {
    const ACCEPTED: &str = "`YYYY-MM-DD HH:MM:SS,COUNT`";
    let text = text(path)?;
    let mut minutes: Vec<f64> = Vec::new();
    for (line, row) in text.lines().enumerate().skip(1) {
        let (when, count) = row
            .split_once(',')
            .ok_or_else(|| refuse(path, line, row, ACCEPTED))?;
        if !(from..until).contains(&when) {
            continue;
        }
        let count = count
            .trim()
            .parse::<f64>()
            .map_err(|_| refuse(path, line, row, ACCEPTED))?;
        let minute = minute_of(when, from).ok_or_else(|| refuse(path, line, row, ACCEPTED))?;
        let last = minutes.last().copied().unwrap_or(count);
        minutes.resize(minute.max(minutes.len()), last);
        minutes.push(count / 60.0);
    }
    if minutes.len() < 60 {
        return Err(TraceError::Empty {
            path: path.display().to_string(),
            from: from.to_owned(),
            until: until.to_owned(),
        });
    }
    Ok(between(&minutes))
}

/// Minutes since midnight of the first day; days of one month or of two neighbours.
fn minute_of(when: &str, from: &str) -> Option<usize> {
    let part = |text: &str, at: std::ops::Range<usize>| text.get(at)?.parse::<usize>().ok();
    let day = |text: &str| {
        let month = part(text, 5..7)?;
        let before: usize = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            .iter()
            .take(month.checked_sub(1)?)
            .sum();
        Some(before + part(text, 8..10)?)
    };
    let days = day(when)?.checked_sub(day(from)?)?;
    Some((days * 24 + part(when, 11..13)?) * 60 + part(when, 14..16)?)
}

/// Steps of the simulation along straight lines between the middles of minutes.
fn between(minutes: &[f64]) -> Vec<f64> {
    let steps = 12_u32;
    let pairs = minutes.windows(2).map(|pair| {
        (
            pair.first().copied().unwrap_or_default(),
            pair.last().copied().unwrap_or_default(),
        )
    });
    pairs
        .flat_map(|(here, next)| {
            (0..steps).map(move |step| here + (next - here) * f64::from(step) / f64::from(steps))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_the_end_of_a_month() {
        assert_eq!(minute_of("1998-06-01 00:01:00", "1998-05-31"), Some(1_441));
        assert_eq!(minute_of("1998-05-31 23:59:00", "1998-05-31"), Some(1_439));
        assert_eq!(minute_of("soon", "1998-05-31"), None);
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        let folder = std::env::temp_dir().join(format!("ostler-trace-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("trace.txt");
        fs::write(&path, "1\n2\nmany\n").unwrap();
        let said = autothrottle(&path).unwrap_err().to_string();
        assert!(said.contains("line 3") && said.contains("many"), "{said}");
        fs::write(&path, "1\n2\n3\n4\n5\n10\n10\n10\n10\n10\n").unwrap();
        assert_eq!(autothrottle(&path).unwrap(), [3.0, 10.0]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
