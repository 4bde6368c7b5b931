//! Metrics with a column a series, as most tools write them: `time,cart:cpu,cart:latency:p90,db_memory`.
//!
//! A column is `<object>:<measure>` or `<object>_<measure>`, and whatever follows the measure is the
//! name of the series. Where an object's name holds a measure too, the last one counts.

use std::collections::BTreeMap;

use ostler_diagnosis::picture::{Measure, Signal};
use serde_json::Value;

use crate::case::ImportError;
use crate::generic::in_order;
use crate::table::Table;

/// Whether a table is such a one: it has times and none of the columns of a point a row.
pub(crate) fn is(table: &Table) -> bool {
    let has = |name: &str| table.header.iter().any(|column| column == name);
    let narrow = ["object", "measure", "name", "value"];
    has("time") && !narrow.into_iter().any(has)
}

/// The series of its columns.
///
/// # Errors
/// Where a column is named otherwise, or a cell is no number.
pub(crate) fn signals(table: &Table) -> Result<Vec<Signal>, ImportError> {
    let time = table.column("time")?;
    let others = table
        .header
        .iter()
        .enumerate()
        .filter(|(column, _)| *column != time);
    let keys: Vec<_> = others
        .map(|(column, title)| Ok((column, key(title).ok_or_else(|| unknown(table, title))?)))
        .collect::<Result<_, ImportError>>()?;
    let mut found = BTreeMap::new();
    for (line, row) in &table.rows {
        let at = table.moment(*line, row, time)?;
        let at = at.ok_or_else(|| table.error(*line, "`time` is empty"))?;
        for (column, key) in &keys {
            let points: &mut Vec<(f64, f64)> = found.entry(key.clone()).or_default();
            points.extend(table.number(*line, row, *column)?.map(|value| (at, value)));
        }
    }
    Ok(in_order(found))
}

fn unknown(table: &Table, title: &str) -> ImportError {
    let measures =
        "rate, errors, availability, latency, cpu, memory, disk, network, load, restarts, other";
    table.error(
        1,
        format!(
            "column `{title}` does not say of what it is: name it `<object>:<measure>` with one of {measures}, \
             or write a point a row with the columns time, object, measure, name and value"
        ),
    )
}

/// Object, measure and name in a title.
fn key(title: &str) -> Option<(String, Measure, String)> {
    let places = title.match_indices([':', '_']).collect::<Vec<_>>();
    places.into_iter().rev().find_map(|(at, between)| {
        let (object, rest) = title.split_at_checked(at)?;
        let rest = rest.strip_prefix(between)?;
        let (word, name) = rest.split_once([':', '_']).unwrap_or((rest, ""));
        let measure = serde_json::from_value(Value::String(word.to_ascii_lowercase())).ok()?;
        (!object.is_empty()).then(|| (object.to_owned(), measure, name.to_owned()))
    })
}
