//! Ostler's own plain format for incidents, for whoever has recordings of their own: a folder with
//!
//! | file | columns | must be there |
//! |---|---|---|
//! | `metrics.csv` | `time,object,measure,name,value` – a point a row; `measure` as in [`Measure`] (`latency`, `cpu`, …); or a series a column, see `wide.rs` | yes |
//! | `truth.yaml` | `healthy: true`, or `objects: [...]` with an optional `cause`; optionally `noticed` (a time) and `symptom` | yes |
//! | `graph.csv` | `from,to,how` – who depends on whom; `how` as in [`How`] (`calls`, `runs_on`, `part_of`, `uses`) | no |
//! | `events.csv` | `time,object,reason,message,count` | no |
//! | `logs.csv` | `time,object,line,count` | no |
//!
//! Times are seconds, or whatever else `time.rs` reads. Rows come in any order; columns too, and where
//! a row is a point, more columns do no harm. An empty cell is not known, nor is `NaN` or `null`, and
//! never zero; an empty `count` is one. `noticed` and `symptom` were known when it happened, and go into
//! the picture; the rest of the truth does not. A folder may also hold such folders, a case each.

use std::collections::BTreeMap;
use std::path::Path;

use ostler_diagnosis::picture::{Edge, Event, How, Kind, Log, Measure, Object, Picture, Signal};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::case::{Case, ImportError, Truth};
use crate::table::{Table, error, folders, name};
use crate::{time, wide};

/// `truth.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotation {
    #[serde(default)]
    healthy: bool,
    #[serde(default)]
    objects: Vec<String>,
    cause: Option<String>,
    noticed: Option<Written>,
    symptom: Option<String>,
}

/// A time as it stands in a file.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

/// Reads the case in a folder, or the cases in its folders.
///
/// # Errors
/// Where a file is missing or not as described above; the error names file, line and what would be right.
pub fn read(folder: &Path) -> Result<Vec<Case>, ImportError> {
    if folder.join("metrics.csv").is_file() {
        return Ok(vec![case(folder)?]);
    }
    let inner: Vec<_> = folders(folder)?
        .into_iter()
        .filter(|inner| inner.join("metrics.csv").is_file())
        .collect();
    if inner.is_empty() {
        return Err(error(
            folder,
            "has no `metrics.csv`, and neither has any folder in it",
        ));
    }
    inner.iter().map(|inner| case(inner)).collect()
}

fn case(folder: &Path) -> Result<Case, ImportError> {
    let told = folder.join("truth.yaml");
    let annotation = annotation(&told)?;
    let mut picture = Picture {
        noticed: noticed(&told, annotation.noticed.as_ref())?,
        ..Picture::default()
    };
    picture.symptom.clone_from(&annotation.symptom);
    picture.signals = signals(&folder.join("metrics.csv"))?;
    picture.edges = optional(&folder.join("graph.csv"), edge)?;
    picture.events = optional(&folder.join("events.csv"), event)?;
    picture.logs = optional(&folder.join("logs.csv"), log)?;
    picture.objects = objects(&picture);
    within(&told, &picture)?;
    let Annotation {
        healthy,
        objects,
        cause,
        ..
    } = annotation;
    let truth = if healthy {
        Truth::Healthy
    } else {
        Truth::Faulty { objects, cause }
    };
    Ok(Case {
        id: format!("generic/{}", name(folder)),
        picture,
        truth,
    })
}

fn annotation(path: &Path) -> Result<Annotation, ImportError> {
    let text = std::fs::read_to_string(path).map_err(|problem| error(path, problem.to_string()))?;
    let read: Annotation =
        serde_saphyr::from_str(&text).map_err(|problem| error(path, problem.to_string()))?;
    if read.healthy != read.objects.is_empty() {
        return Err(error(
            path,
            "must have either `healthy: true` or a list `objects` of what was at fault",
        ));
    }
    Ok(read)
}

fn noticed(path: &Path, written: Option<&Written>) -> Result<Option<f64>, ImportError> {
    let text = match written {
        None => return Ok(None),
        Some(Written::Number(number)) => number.to_string(),
        Some(Written::Text(text)) => text.clone(),
    };
    let words = || format!("`noticed` is `{text}`, which is no time; write it as in `metrics.csv`");
    let read = time::moment(&text).map(Some);
    read.ok_or_else(|| error(path, words()))
}

/// Trouble must be noticed within what was recorded: what has no before or no after tells nothing.
fn within(path: &Path, picture: &Picture) -> Result<(), ImportError> {
    let times = || {
        picture
            .signals
            .iter()
            .flat_map(|signal| &signal.points)
            .map(|point| point.0)
    };
    let (first, last) = (
        times().fold(f64::INFINITY, f64::min),
        times().fold(f64::NEG_INFINITY, f64::max),
    );
    match picture.noticed {
        Some(noticed) if first < last && !(first < noticed && noticed <= last) => Err(error(
            path,
            format!(
                "`noticed` is {noticed}, and `metrics.csv` goes from {first} to {last}; it must lie between"
            ),
        )),
        _ => Ok(()),
    }
}

fn signals(path: &Path) -> Result<Vec<Signal>, ImportError> {
    let table = Table::read(path)?;
    if wide::is(&table) {
        return wide::signals(&table);
    }
    let [time, value] = [table.column("time")?, table.column("value")?];
    let [object, measure, title] = [
        table.column("object")?,
        table.column("measure")?,
        table.column("name")?,
    ];
    let mut found: BTreeMap<(String, Measure, String), Vec<(f64, f64)>> = BTreeMap::new();
    for (line, row) in &table.rows {
        let key = (
            needed(&table, *line, row, object, "object")?.to_owned(),
            word(
                &table,
                *line,
                needed(&table, *line, row, measure, "measure")?,
            )?,
            Table::text(row, title).unwrap_or_default().to_owned(),
        );
        let at = table
            .moment(*line, row, time)?
            .ok_or_else(|| table.error(*line, "`time` is empty"))?;
        let points = found.entry(key).or_default();
        points.extend(table.number(*line, row, value)?.map(|value| (at, value)));
    }
    Ok(in_order(found))
}

/// The series that were found, each in order of time.
pub(crate) fn in_order(found: BTreeMap<(String, Measure, String), Vec<(f64, f64)>>) -> Vec<Signal> {
    let signal = |((object, measure, name), mut points): (_, Vec<(f64, f64)>)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Signal {
            object,
            measure,
            name,
            points,
        }
    };
    found.into_iter().map(signal).collect()
}

/// The rows of a file that may be missing.
fn optional<T>(
    path: &Path,
    read: impl Fn(&Table, u64, &[String]) -> Result<T, ImportError>,
) -> Result<Vec<T>, ImportError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let table = Table::read(path)?;
    table
        .rows
        .iter()
        .map(|(line, row)| read(&table, *line, row))
        .collect()
}

fn edge(table: &Table, line: u64, row: &[String]) -> Result<Edge, ImportError> {
    let cell = |name: &str| needed(table, line, row, table.column(name)?, name);
    let how: How = word(table, line, cell("how")?)?;
    Ok(Edge {
        from: cell("from")?.to_owned(),
        to: cell("to")?.to_owned(),
        how,
    })
}

fn event(table: &Table, line: u64, row: &[String]) -> Result<Event, ImportError> {
    Ok(Event {
        at: table.moment(line, row, table.column("time")?)?,
        object: needed(table, line, row, table.column("object")?, "object")?.to_owned(),
        reason: needed(table, line, row, table.column("reason")?, "reason")?.to_owned(),
        message: Table::text(row, table.column("message")?)
            .unwrap_or_default()
            .to_owned(),
        count: count(table, line, row)?,
    })
}

fn log(table: &Table, line: u64, row: &[String]) -> Result<Log, ImportError> {
    Ok(Log {
        at: table.moment(line, row, table.column("time")?)?,
        object: needed(table, line, row, table.column("object")?, "object")?.to_owned(),
        line: needed(table, line, row, table.column("line")?, "line")?.to_owned(),
        count: count(table, line, row)?,
    })
}

fn count(table: &Table, line: u64, row: &[String]) -> Result<u64, ImportError> {
    let Some(cell) = Table::text(row, table.column("count")?) else {
        return Ok(1);
    };
    cell.parse().map_err(|_| {
        table.error(
            line,
            format!("`{cell}` is no count; write a whole number, or nothing"),
        )
    })
}

fn needed<'a>(
    table: &Table,
    line: u64,
    row: &'a [String],
    column: usize,
    name: &str,
) -> Result<&'a str, ImportError> {
    Table::text(row, column).ok_or_else(|| table.error(line, format!("`{name}` is empty")))
}

/// A word of the picture's vocabulary, in letters of any size; the error lists those that there are.
fn word<T: DeserializeOwned>(table: &Table, line: u64, cell: &str) -> Result<T, ImportError> {
    let known = serde_json::from_value(serde_json::Value::String(cell.to_ascii_lowercase()));
    known.map_err(|problem| table.error(line, problem.to_string()))
}

/// Everything that is spoken of; what it is, its name may say (`node/worker-1`), and what something
/// runs on is a node.
fn objects(picture: &Picture) -> BTreeMap<String, Object> {
    let spoken = (picture.signals.iter().map(|signal| &signal.object))
        .chain(picture.edges.iter().flat_map(|edge| [&edge.from, &edge.to]))
        .chain(picture.events.iter().map(|event| &event.object))
        .chain(picture.logs.iter().map(|log| &log.object));
    let object = |id: &String| {
        (
            id.clone(),
            Object {
                kind: kind(id),
                facts: BTreeMap::new(),
            },
        )
    };
    let mut all: BTreeMap<String, Object> = spoken.map(object).collect();
    for edge in picture.edges.iter().filter(|edge| edge.how == How::RunsOn) {
        if let Some(machine) = all
            .get_mut(&edge.to)
            .filter(|one| one.kind == Kind::Service)
        {
            machine.kind = Kind::Node;
        }
    }
    all
}

fn kind(id: &str) -> Kind {
    match id.split_once('/').map(|(kind, _)| kind) {
        Some("node") => Kind::Node,
        Some("instance") => Kind::Instance,
        Some("namespace") => Kind::Namespace,
        Some("volume") => Kind::Volume,
        Some("platform") => Kind::Platform,
        Some("external") => Kind::External,
        _ => Kind::Service,
    }
}
