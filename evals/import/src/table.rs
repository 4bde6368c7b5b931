//! Tables in CSV files, with errors that name the file and the line.
//! Knows no format: the modules that do ask for columns by name.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::case::ImportError;
use crate::time;

/// A table in memory. Rows may be shorter than the header.
pub(crate) struct Table {
    path: String,
    /// The first line.
    pub header: Vec<String>,
    /// The others, each with the number of its line.
    pub rows: Vec<(u64, Vec<String>)>,
}

impl Table {
    /// Reads a file whose first line names the columns.
    pub(crate) fn read(path: &Path) -> Result<Self, ImportError> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|problem| error(path, problem.to_string()))?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(file);
        let mut rows = Vec::new();
        for (number, record) in (1_u64..).zip(reader.records()) {
            let record = record.map_err(|problem| error(path, problem.to_string()))?;
            let line = record.position().map_or(number, csv::Position::line);
            rows.push((
                line,
                record.iter().map(|cell| cell.trim().to_owned()).collect(),
            ));
        }
        if rows.is_empty() {
            return Err(error(
                path,
                "is empty; its first line must name the columns",
            ));
        }
        let (_, header) = rows.remove(0);
        let table = Self {
            path: shown,
            header,
            rows,
        };
        let columns = table.header.len();
        match table.rows.iter().find(|(_, row)| row.len() > columns) {
            Some((line, row)) => {
                let cells = row.len();
                let words = format!(
                    "has {cells} cells, and the first line names {columns}; a comma within a number or text?"
                );
                Err(table.error(*line, words))
            }
            None => Ok(table),
        }
    }

    /// The place of a column that must be there.
    pub(crate) fn column(&self, name: &str) -> Result<usize, ImportError> {
        self.header
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| {
                let one = self.header.len() == 1;
                let hint = if one && self.header.iter().any(|cell| cell.contains([';', '\t'])) {
                    "; commas must separate the cells"
                } else {
                    ""
                };
                let columns = self.header.join("`, `");
                self.error(
                    1,
                    format!("has no column `{name}`; its columns are `{columns}`{hint}"),
                )
            })
    }

    /// The text of a cell; nothing where it is empty or missing.
    pub(crate) fn text(row: &[String], column: usize) -> Option<&str> {
        row.get(column)
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
    }

    /// The number in a cell; nothing where it is empty, which is never read as zero.
    pub(crate) fn number(
        &self,
        line: u64,
        row: &[String],
        column: usize,
    ) -> Result<Option<f64>, ImportError> {
        let what = "number; write one like `0.25`, or nothing";
        let number = self.cell(line, row, column, what, |cell| cell.parse().ok())?;
        Ok(number.filter(|number| number.is_finite()))
    }

    /// The time in a cell, in seconds; nothing where it is empty.
    pub(crate) fn moment(
        &self,
        line: u64,
        row: &[String],
        column: usize,
    ) -> Result<Option<f64>, ImportError> {
        let what = "time; write seconds like `1396310700` or `2014-04-01T00:05:00Z`";
        self.cell(line, row, column, what, time::moment)
    }

    fn cell(
        &self,
        line: u64,
        row: &[String],
        column: usize,
        what: &str,
        read: impl Fn(&str) -> Option<f64>,
    ) -> Result<Option<f64>, ImportError> {
        let Some(cell) = Self::text(row, column).filter(|cell| !is_nothing(cell)) else {
            return Ok(None);
        };
        let value = read(cell).map(Some);
        value.ok_or_else(|| self.error(line, format!("`{cell}` is no {what}")))
    }

    /// An error at a line of this file.
    pub(crate) fn error(&self, line: u64, words: impl Into<String>) -> ImportError {
        ImportError {
            path: format!("{}:{line}", self.path),
            words: words.into(),
        }
    }
}

/// What others write where there is no value.
fn is_nothing(cell: &str) -> bool {
    let nothing = ["nan", "null", "none", "nil", "na", "n/a", "-"];
    nothing.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// An error about a whole file or folder.
pub(crate) fn error(path: &Path, words: impl Into<String>) -> ImportError {
    ImportError {
        path: path.display().to_string(),
        words: words.into(),
    }
}

/// The folders in a folder, by name.
pub(crate) fn folders(path: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let entries = std::fs::read_dir(path).map_err(|problem| error(path, problem.to_string()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    Ok(found)
}

/// The last part of a path, as text.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
