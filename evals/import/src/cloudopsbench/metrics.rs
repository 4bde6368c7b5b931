//! Numbers over time: a column `<object>-<measure>` each.

use std::path::Path;

use ostler_diagnosis::picture::{Measure, Picture, Signal};

use super::wrong;
use crate::case::ImportError;

/// The set's measures, ours, and a name of ours for each.
const MEASURES: &[(&str, Measure, &str)] = &[
    ("cpu_cfs", Measure::Cpu, "cpu_throttled"),
    ("cpu", Measure::Cpu, "cpu"),
    ("mem", Measure::Memory, "memory"),
    ("rps", Measure::Rate, "requests"),
    ("success_rate", Measure::Availability, "success"),
    ("network_receive", Measure::Network, "network_in"),
    ("network_transmit", Measure::Network, "network_out"),
    ("p50latency", Measure::Latency, "latency_p50"),
    ("p90latency", Measure::Latency, "latency_p90"),
    ("p95latency", Measure::Latency, "latency_p95"),
    ("p99latency", Measure::Latency, "latency_p99"),
    ("tcp_retans", Measure::Network, "retransmissions"),
];

/// Adds signals of services and nodes; a case without the file has none.
pub fn read(path: &Path, picture: &mut Picture) -> Result<(), ImportError> {
    if !path.exists() {
        return Ok(());
    }
    let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(path, &error))?;
    let head = reader
        .headers()
        .map_err(|error| wrong(path, &error))?
        .clone();
    let mut columns: Vec<Option<Signal>> = head.iter().map(|name| signal(name, picture)).collect();
    for row in reader.records() {
        let row = row.map_err(|error| wrong(path, &error))?;
        let Some(at) = row.get(0).and_then(seconds) else {
            continue;
        };
        for (column, cell) in columns.iter_mut().zip(row.iter()) {
            if let (Some(column), Ok(value)) = (column, cell.parse::<f64>()) {
                column.points.push((at, value));
            }
        }
    }
    picture.signals = columns.into_iter().flatten().collect();
    Ok(())
}

fn signal(column: &str, picture: &Picture) -> Option<Signal> {
    let (object, measure) = column.rsplit_once('-')?;
    let (_, measure, name) = MEASURES.iter().find(|(word, _, _)| *word == measure)?;
    let known = ["app", "node"].map(|prefix| format!("{prefix}/{object}"));
    let object = known
        .into_iter()
        .find(|id| picture.objects.contains_key(id))?;
    Some(Signal {
        object,
        measure: *measure,
        name: (*name).to_owned(),
        points: Vec::new(),
    })
}

/// `2025-12-26 12:22:11` or `2025-11-28T15:33:20.5` as seconds; only differences mean anything.
pub fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.trim().split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':').map(str::parse::<f64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    // Days since an era began in March, so that a leap day is a year's last (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    #[expect(clippy::cast_precision_loss, reason = "a number of days")]
    let days = days as f64;
    Some(days * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_count_over_the_end_of_a_month() {
        let day = seconds("2024-03-01 00:00:00").unwrap() - seconds("2024-02-29 00:00:00").unwrap();
        assert!((day - 86_400.0).abs() < 1e-6);
        let year =
            seconds("2026-01-01T00:00:00").unwrap() - seconds("2025-12-31T23:59:30").unwrap();
        assert!((year - 30.0).abs() < 1e-6);
        assert_eq!(seconds("yesterday"), None);
    }
}
