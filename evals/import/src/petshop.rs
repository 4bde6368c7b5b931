//! The PetShop recordings of «The PetShop Dataset: Finding Causes of Performance Issues across
//! Microservices» (CLeaR 2024): `<scenario>/graph.csv`, `<scenario>/noissue/metrics.csv` and
//! `<scenario>/<train|test>/<issue>/{metrics.csv,target.json}`.
//!
//! What the paper gives to a method, the picture has: who complained (`target`), the call graph,
//! the normal time and the issue's few rows. The normal time was recorded months apart, so it is
//! moved before the issue by whole days; a scenario without one borrows its siblings'.
//! A row stands for the five minutes from its time on; the one in which somebody complained is the
//! first that is not normal. Healthy cases are the paper's: normal times cut in two.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ostler_diagnosis::picture::{Edge, How, Kind, Measure, Object, Picture, Signal};
use serde::Deserialize;

use crate::case::{Case, ImportError, Truth};
use crate::history;
use crate::table::{Table, error, folders, name};

/// Lines before the first row: object, metric, statistic, and the name of the time.
const TITLES: usize = 3;

/// `target.json`, as far as it is needed.
#[derive(Deserialize)]
struct Annotation {
    target: Target,
    root_cause: RootCause,
}

#[derive(Deserialize)]
struct Target {
    node: String,
    timestamp: f64,
}

#[derive(Deserialize)]
struct RootCause {
    node: String,
}

/// Times and, by object, metric and statistic, values at those times.
#[derive(Clone, Default)]
struct Recording {
    times: Vec<f64>,
    series: BTreeMap<[String; 3], Vec<(f64, f64)>>,
}

/// Reads all scenarios under a folder, which is `dataset` or the one that holds it.
///
/// # Errors
/// Where a file is missing or not as described above.
pub fn read(folder: &Path) -> Result<Vec<Case>, ImportError> {
    let inner = folder.join("dataset");
    let root = if inner.is_dir() {
        inner
    } else {
        folder.to_owned()
    };
    let scenarios: Vec<PathBuf> = folders(&root)?
        .into_iter()
        .filter(|scenario| scenario.join("graph.csv").is_file())
        .collect();
    let mut normal = BTreeMap::new();
    for scenario in &scenarios {
        let path = scenario.join("noissue/metrics.csv");
        if path.is_file() {
            normal.insert(name(scenario), recording(&path)?);
        }
    }
    let mut cases = Vec::new();
    for scenario in &scenarios {
        cases.extend(issues(scenario, &normal)?);
    }
    if cases.is_empty() {
        return Err(error(
            &root,
            "has no issues; expected folders like `<scenario>/test/issue_0`",
        ));
    }
    Ok(cases)
}

fn issues(scenario: &Path, normal: &BTreeMap<String, Recording>) -> Result<Vec<Case>, ImportError> {
    let edges = edges(&scenario.join("graph.csv"))?;
    let own = normal.get(&name(scenario));
    let histories: Vec<&Recording> = own.map_or_else(|| normal.values().collect(), |own| vec![own]);
    let mut cases = Vec::new();
    let mut complained = Vec::new();
    for split in ["train", "test"]
        .map(|split| scenario.join(split))
        .iter()
        .filter(|split| split.is_dir())
    {
        for issue in folders(split)? {
            let id = format!(
                "petshop/{}/{}/{}",
                name(scenario),
                name(split),
                name(&issue)
            );
            let annotation = annotation(&issue.join("target.json"))?;
            let rows = recording(&issue.join("metrics.csv"))?;
            let noticed = row_of(&rows.times, annotation.target.timestamp);
            let symptom = annotation.target.node;
            let picture = picture(before(&histories, rows), &edges, noticed, &symptom);
            let truth = Truth::Faulty {
                objects: vec![annotation.root_cause.node],
                cause: None,
            };
            cases.push(Case { id, picture, truth });
            complained.push(symptom);
        }
    }
    complained.sort();
    complained.dedup();
    for (own, symptom) in own
        .into_iter()
        .flat_map(|own| complained.iter().map(move |symptom| (own, symptom)))
    {
        cases.extend(healthy(scenario, own, &edges, symptom));
    }
    Ok(cases)
}

/// As the paper has it: cut from the middle on, each tenth, and all that follows is the question.
/// And, harder, as an issue has it: five rows, each twentieth.
fn healthy(scenario: &Path, own: &Recording, edges: &[Edge], symptom: &str) -> Vec<Case> {
    let count = own.times.len();
    let long = (count / 2..count.saturating_sub(3))
        .step_by((count / 10).max(1))
        .map(|cut| (cut, count, "long"));
    let short = (count / 2..count.saturating_sub(3))
        .step_by((count / 40).max(1))
        .map(|cut| (cut, cut + 3, "short"));
    let cut = |(cut, end, kind): (usize, usize, &str)| {
        let noticed = own.times.get(cut).copied()?;
        let end = own.times.get(end).copied().unwrap_or(f64::INFINITY);
        let mut kept = own.clone();
        kept.series
            .values_mut()
            .for_each(|points| points.retain(|(at, _)| *at < end));
        let id = format!("petshop/{}/noissue/{kind}/{cut}", name(scenario));
        Some(Case {
            id,
            picture: picture(kept, edges, noticed, symptom),
            truth: Truth::Healthy,
        })
    };
    long.chain(short).filter_map(cut).collect()
}

/// The time of the row that holds a moment.
fn row_of(times: &[f64], moment: f64) -> f64 {
    let row = times.iter().copied().take_while(|at| *at <= moment).last();
    row.or_else(|| times.first().copied()).unwrap_or(moment)
}

/// Histories in front of the rows, one before the other.
fn before(histories: &[&Recording], mut rows: Recording) -> Recording {
    let mut until = rows.times.first().copied().unwrap_or(0.0);
    for history in histories {
        let (Some(first), Some(last)) = (history.times.first(), history.times.last()) else {
            continue;
        };
        let shift = history::shift(*last, until);
        until = first + shift;
        for (key, points) in &history.series {
            let later = rows.series.entry(key.clone()).or_default();
            let moved = points.iter().map(|(at, value)| (at + shift, *value));
            later.splice(0..0, moved);
        }
    }
    rows
}

fn picture(recording: Recording, edges: &[Edge], noticed: f64, symptom: &str) -> Picture {
    let mut picture = Picture {
        edges: edges.to_vec(),
        ..Picture::default()
    };
    (picture.noticed, picture.symptom) = (Some(noticed), Some(symptom.to_owned()));
    for ([object, metric, statistic], points) in recording.series {
        let known = Object {
            kind: kind(&object),
            facts: BTreeMap::new(),
        };
        picture.objects.entry(object.clone()).or_insert(known);
        let measure = match metric.as_str() {
            "latency" => Measure::Latency,
            "availability" => Measure::Availability,
            "requests" => Measure::Rate,
            _ => Measure::Other,
        };
        let name = format!("{metric} {}", statistic.to_ascii_lowercase());
        picture.signals.push(Signal {
            object,
            measure,
            name,
            points,
        });
    }
    picture
}

/// The tracer's names tell what an object is: a «remote» and a «client» are the far ends of calls
/// as the near ends saw them.
fn kind(object: &str) -> Kind {
    match object {
        far if far.ends_with("_remote") || far.ends_with("_client") => Kind::External,
        store
            if ["::Table", "::SQL", "::S3", "::Queue"]
                .iter()
                .any(|end| store.ends_with(end)) =>
        {
            Kind::Volume
        }
        _ => Kind::Service,
    }
}

fn annotation(path: &Path) -> Result<Annotation, ImportError> {
    let text = std::fs::read_to_string(path).map_err(|problem| error(path, problem.to_string()))?;
    serde_json::from_str(&text).map_err(|problem| error(path, problem.to_string()))
}

/// A row a caller, a column a callee, a one where it calls.
fn edges(path: &Path) -> Result<Vec<Edge>, ImportError> {
    let table = Table::read(path)?;
    let mut edges = Vec::new();
    for (line, row) in &table.rows {
        let Some(from) = Table::text(row, 0) else {
            continue;
        };
        for (column, to) in table.header.iter().enumerate().skip(1) {
            if table
                .number(*line, row, column)?
                .is_some_and(|calls| calls != 0.0)
            {
                edges.push(Edge {
                    from: from.to_owned(),
                    to: to.clone(),
                    how: How::Calls,
                });
            }
        }
    }
    Ok(edges)
}

fn recording(path: &Path) -> Result<Recording, ImportError> {
    let table = Table::read(path)?;
    let (titles, rows) = table.rows.split_at_checked(TITLES).ok_or_else(|| {
        error(
            path,
            "is too short; expected four lines of titles, then rows",
        )
    })?;
    let title = |line: usize, column: usize| {
        let (_, row) = titles.get(line)?;
        Table::text(row, column).map(str::to_owned)
    };
    let keys: Vec<_> = (1..table.header.len())
        .map(|column| {
            let object = table.header.get(column)?.clone();
            Some((column, [object, title(0, column)?, title(1, column)?]))
        })
        .collect();
    let mut recording = Recording::default();
    for (line, row) in rows {
        let Some(at) = table.number(*line, row, 0)? else {
            continue;
        };
        recording.times.push(at);
        for (column, key) in keys.iter().flatten() {
            if let Some(value) = table.number(*line, row, *column)? {
                recording
                    .series
                    .entry(key.clone())
                    .or_default()
                    .push((at, value));
            }
        }
    }
    Ok(recording)
}
