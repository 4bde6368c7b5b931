//! The Numenta Anomaly Benchmark: series of one metric each, with windows in which something
//! happened (`data/<kind>/<file>.csv`, `labels/combined_windows.json`).
//!
//! These are no pictures of systems, so they have a type of their own. [`score`] counts as the
//! benchmark does.

pub mod score;

use std::collections::BTreeMap;
use std::path::Path;

use crate::case::ImportError;
use crate::table::{Table, error, folders, name};
use crate::time;

/// The kinds that the published figures for infrastructure were counted on: metrics of servers
/// and balancers in a cloud, and failures whose cause is known.
pub const INFRASTRUCTURE: [&str; 2] = ["realAWSCloudwatch", "realKnownCause"];

/// One metric over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// `<kind>/<file>.csv`, as the labels name it.
    pub name: String,
    /// `(seconds, value)` in the order of the file.
    pub points: Vec<(f64, f64)>,
    /// First and last point of each labelled window, as places in `points`.
    pub windows: Vec<(usize, usize)>,
}

impl Series {
    /// Whether it belongs to [`INFRASTRUCTURE`].
    #[must_use]
    pub fn is_infrastructure(&self) -> bool {
        INFRASTRUCTURE
            .iter()
            .any(|kind| self.name.split('/').next() == Some(kind))
    }
}

/// Reads every series under a folder that holds `data` and `labels`.
///
/// # Errors
/// Where a file is missing or not as described above, or a label names a time that its series lacks.
pub fn read(folder: &Path) -> Result<Vec<Series>, ImportError> {
    let labels = folder.join("labels/combined_windows.json");
    let text =
        std::fs::read_to_string(&labels).map_err(|problem| error(&labels, problem.to_string()))?;
    let windows: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&text).map_err(|problem| error(&labels, problem.to_string()))?;
    let mut all = Vec::new();
    for kind in folders(&folder.join("data"))? {
        let entries =
            std::fs::read_dir(&kind).map_err(|problem| error(&kind, problem.to_string()))?;
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == "csv"))
        {
            let key = format!("{}/{}", name(&kind), name(file));
            let labelled = windows
                .get(&key)
                .ok_or_else(|| error(&labels, format!("has no entry `{key}`")))?;
            all.push(series(file, key, labelled)?);
        }
    }
    Ok(all)
}

fn series(file: &Path, name: String, labelled: &[[String; 2]]) -> Result<Series, ImportError> {
    let table = Table::read(file)?;
    let (stamp, value) = (table.column("timestamp")?, table.column("value")?);
    let mut points = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        let text = Table::text(row, stamp).unwrap_or_default();
        let at = time::seconds(text).ok_or_else(|| {
            table.error(
                *line,
                format!("`{text}` is no time; expected `2014-04-01 00:05:00`"),
            )
        })?;
        // The benchmark counts rows, so one without a value stays, and says so.
        points.push((at, table.number(*line, row, value)?.unwrap_or(f64::NAN)));
    }
    let place = |text: &str| {
        let at =
            time::seconds(text).ok_or_else(|| error(file, format!("label `{text}` is no time")))?;
        let found = points.iter().position(|point| point.0 == at);
        found.ok_or_else(|| error(file, format!("has no row at the label's time `{text}`")))
    };
    let windows: Result<Vec<_>, ImportError> = labelled
        .iter()
        .map(|[from, to]| Ok((place(from)?, place(to)?)))
        .collect();
    let windows = windows?;
    Ok(Series {
        name,
        points,
        windows,
    })
}
