//! Metrics with a column a series, as most tools write them: `time,cart:cpu,cart:latency:p90,db_memory`.
//!
//! A column is `<object>:<measure>`, or `<object>_<measure>` where that is plain, and whatever follows the measure is the
//! name of the series.

use std::collections::{BTreeMap, BTreeSet};

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
    if let Some((column, _)) = twice(&keys) {
        let title = table.header.get(*column).map_or("", String::as_str);
        return Err(table.error(1, format!("column `{title}` is there twice")));
    }
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

/// A column that another is the same as.
fn twice<K: Ord>(keys: &[(usize, K)]) -> Option<&(usize, K)> {
    let mut seen = BTreeSet::new();
    keys.iter().find(|(_, key)| !seen.insert(key))
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

/// Object, measure and name in a title. With a colon the first one that a measure follows divides; without one
/// it must be plain which word is the measure, and no more than that: `cart_error_rate` is no rate of `cart_error`.
fn key(title: &str) -> Option<(String, Measure, String)> {
    let divided = |between: char| {
        let places = title.match_indices(between);
        places.filter_map(move |(at, _)| {
            let (object, rest) = title.split_at_checked(at)?;
            let rest = rest.strip_prefix(between)?;
            let (word, name) = rest.split_once([':', '_']).unwrap_or((rest, ""));
            let measure = serde_json::from_value(Value::String(word.to_ascii_lowercase())).ok()?;
            (!object.is_empty()).then(|| (object.to_owned(), measure, name.to_owned()))
        })
    };
    if title.contains(':') {
        return divided(':').next();
    }
    let mut all = divided('_');
    let (Some(only), None) = (all.next(), all.next()) else {
        return None;
    };
    let (_, last) = only.0.rsplit_once('_').unwrap_or(("", &only.0));
    let of_it = [
        "error", "errors", "request", "requests", "failure", "failures",
    ];
    (!of_it.iter().any(|word| last.eq_ignore_ascii_case(word))).then_some(only)
}
