//! The sock-shop recordings of «Root Cause Analysis of Failures in Microservices through Causal
//! Discovery» (NeurIPS 2022), as published with it: `<service>-<cpu|mem>/<n>/{normal,anomalous}.csv`,
//! a second a row, `<service>_<cpu|mem|lod|lat_N>` a column.
//!
//! The folder's name is the truth and goes nowhere else. Each recording's normal part also makes
//! a healthy case: its second half beside its first.

use std::collections::BTreeMap;
use std::path::Path;

use ostler_diagnosis::finding::Finding;
use ostler_diagnosis::picture::{Kind, Measure, Object, Picture, Signal};

use crate::case::{Case, ImportError, Truth};
use crate::history;
use crate::table::{Table, error, folders, name};

/// Whether a finding names the right object, and whether it names the resource too.
#[must_use]
pub fn right(finding: &Finding, truth: &Truth) -> (bool, bool) {
    let Truth::Faulty { objects, cause } = truth else {
        return (false, false);
    };
    let resource = match finding.cause.as_deref() {
        Some("cpu_saturated") => Some("cpu"),
        Some("memory_growth") => Some("mem"),
        _ => None,
    };
    let object = objects.contains(&finding.object);
    (
        object,
        object && resource.is_some() && resource == cause.as_deref(),
    )
}

/// Reads all recordings under a folder, which is `sock-shop-data` or the one that holds it.
///
/// # Errors
/// Where a file is missing or not as described above.
pub fn read(folder: &Path) -> Result<Vec<Case>, ImportError> {
    let inner = folder.join("sock-shop-data");
    let root = if inner.is_dir() {
        inner
    } else {
        folder.to_owned()
    };
    let mut cases = Vec::new();
    for kind in folders(&root)? {
        for recording in folders(&kind)? {
            let id = format!("rcd/{}/{}", name(&kind), name(&recording));
            cases.extend(recorded(&recording, &name(&kind), &id)?);
        }
    }
    if cases.is_empty() {
        return Err(error(
            &root,
            "has no recordings; expected folders like `<service>-cpu/1`",
        ));
    }
    Ok(cases)
}

fn recorded(folder: &Path, kind: &str, id: &str) -> Result<[Case; 2], ImportError> {
    let Some((service, resource)) = kind.rsplit_once('-') else {
        return Err(error(
            folder,
            format!("`{kind}` is not `<service>-<cpu|mem>`"),
        ));
    };
    let normal = series(&folder.join("normal.csv"))?;
    let anomalous = series(&folder.join("anomalous.csv"))?;
    let truth = Truth::Faulty {
        objects: vec![service.to_owned()],
        cause: Some(resource.to_owned()),
    };
    let healthy = Case {
        id: format!("{id}/healthy"),
        picture: quiet(&normal),
        truth: Truth::Healthy,
    };
    Ok([
        Case {
            id: id.to_owned(),
            picture: joined(normal, anomalous),
            truth,
        },
        healthy,
    ])
}

type Series = BTreeMap<String, Vec<(f64, f64)>>;

fn series(path: &Path) -> Result<Series, ImportError> {
    let table = Table::read(path)?;
    let time = table.column("time")?;
    let mut all = Series::new();
    for (line, row) in &table.rows {
        let Some(at) = table.number(*line, row, time)? else {
            continue;
        };
        for (column, title) in table
            .header
            .iter()
            .enumerate()
            .filter(|(column, _)| *column != time)
        {
            if let Some(value) = table.number(*line, row, column)? {
                all.entry(title.clone()).or_default().push((at, value));
            }
        }
    }
    Ok(all)
}

/// Both parts one after the other; trouble is noticed where the second begins.
fn joined(normal: Series, anomalous: Series) -> Picture {
    let noticed = anomalous
        .values()
        .filter_map(|points| points.first())
        .map(|p| p.0)
        .fold(f64::INFINITY, f64::min);
    let last = normal
        .values()
        .filter_map(|points| points.last())
        .map(|p| p.0)
        .fold(f64::NEG_INFINITY, f64::max);
    let shift = history::shift(last, noticed);
    let mut all: Series = normal;
    all.values_mut()
        .flatten()
        .for_each(|point| point.0 += shift);
    for (title, points) in anomalous {
        all.entry(title).or_default().extend(points);
    }
    picture(all, noticed)
}

fn quiet(normal: &Series) -> Picture {
    let times = normal.values().flatten().map(|point| point.0);
    let (first, last) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), at| {
        (a.min(at), b.max(at))
    });
    picture(normal.clone(), f64::midpoint(first, last))
}

fn picture(all: Series, noticed: f64) -> Picture {
    let mut picture = Picture {
        noticed: Some(noticed),
        ..Picture::default()
    };
    for (title, points) in all {
        let Some((object, what)) = title.split_once('_') else {
            continue;
        };
        let known = Object {
            kind: Kind::Service,
            facts: BTreeMap::new(),
        };
        picture.objects.entry(object.to_owned()).or_insert(known);
        let (object, name) = (object.to_owned(), what.to_owned());
        picture.signals.push(Signal {
            object,
            measure: measure(what),
            name,
            points,
        });
    }
    picture
}

fn measure(what: &str) -> Measure {
    match what {
        "cpu" => Measure::Cpu,
        "mem" => Measure::Memory,
        "lod" | "load" => Measure::Load,
        latency if latency.starts_with("lat") => Measure::Latency,
        _ => Measure::Other,
    }
}
