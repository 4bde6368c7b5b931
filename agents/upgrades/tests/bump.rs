//! The risk model on recorded breaking upgrades (BUMP), where the data is there.
//!
//! Prints the table of `docs/upgrades.md` and asserts the floors that were measured. The data is no part
//! of the project: `OSTLER_INCIDENTS` names a folder that has `bump/`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints what it measured and may stop at the first surprise"
)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use ostler_core::{
    spec::{Criticality, Scheme},
    time::Time,
};
use ostler_upgrades::{
    risk::{Facts, Level, Past, judge},
    version::{Distance, Version},
};
use serde::Deserialize;

/// Thursday morning: the hour says nothing here.
const MORNING: Time = Time(10 * 3_600_000);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    project: String,
    project_organisation: String,
    updated_dependency: Dependency,
    failure_category: String,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "dependencyGroupID")]
    group: String,
    #[serde(rename = "dependencyArtifactID")]
    artifact: String,
    previous_version: String,
    new_version: String,
}

/// An upgrade with nothing known but its two versions.
struct Step {
    distance: Distance,
    points: u32,
    level: Level,
}

fn step(from: &str, to: &str) -> Step {
    let read = |text: &str| Version::read(text, Scheme::Auto);
    let (from, to) = (read(from), read(to));
    let distance = match (&from, &to) {
        (Some(from), Some(to)) => from.distance(to),
        _ => Distance::Unknown,
    };
    let early = |one: &Option<Version>| one.as_ref().is_some_and(Version::is_early);
    let risk = judge(&Facts {
        distance,
        skipped: 0,
        early: early(&to) && !early(&from),
        changed: None,
        criticality: Criticality::Normal,
        blast_radius: 0,
        stateful: false,
        replicas: 4,
        measured: true,
        past: Past::default(),
        now: MORNING,
    });
    Step {
        distance,
        points: risk.points,
        level: risk.level,
    }
}

fn records() -> Option<Vec<Record>> {
    let root = std::env::var_os("OSTLER_INCIDENTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("bump/data/benchmark");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!(
            "\n!!! SKIPPED: no data at `{}`; get it from https://github.com/chains-project/bump and set \
             OSTLER_INCIDENTS to the folder that has `bump/` !!!\n",
            folder.display()
        );
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    Some(files.iter().map(read).collect())
}

/// Upgrades that are known to have ended in a build that works: a project that was recorded with one
/// version of a library, and later with a newer one as its working version, came from the one to the
/// other. Whether it had to change for that is not known.
fn controls(records: &[Record]) -> Vec<(String, String)> {
    let mut working: BTreeMap<(&str, &str, &str, &str), Vec<Version>> = BTreeMap::new();
    for record in records {
        let library = &record.updated_dependency;
        let key = (
            record.project_organisation.as_str(),
            record.project.as_str(),
            library.group.as_str(),
            library.artifact.as_str(),
        );
        working
            .entry(key)
            .or_default()
            .extend(Version::read(&library.previous_version, Scheme::Auto));
    }
    let mut found = Vec::new();
    for mut versions in working.into_values() {
        versions.sort_by(Version::order);
        versions.dedup();
        for pair in versions.windows(2) {
            if let [from, to] = pair {
                found.push((from.tag.clone(), to.tag.clone()));
            }
        }
    }
    found
}

/// Versions of one library with which different projects worked, next to each other: nobody is known to
/// have gone from the one to the other, but neither is broken by itself.
fn neighbours(records: &[Record]) -> Vec<(String, String)> {
    let mut working: BTreeMap<(&str, &str), Vec<Version>> = BTreeMap::new();
    for record in records {
        let library = &record.updated_dependency;
        let of = working
            .entry((&library.group, &library.artifact))
            .or_default();
        of.extend(Version::read(&library.previous_version, Scheme::Auto));
    }
    let mut found = Vec::new();
    for mut versions in working.into_values() {
        versions.sort_by(|one, other| one.order(other).then_with(|| one.tag.cmp(&other.tag)));
        versions.dedup();
        for pair in versions.windows(2) {
            if let [from, to] = pair
                && from.is_like(to)
            {
                found.push((from.tag.clone(), to.tag.clone()));
            }
        }
    }
    found
}

fn name(distance: Distance) -> &'static str {
    match distance {
        Distance::Same | Distance::Revision => "revision",
        Distance::Patch => "patch",
        Distance::Minor => "minor",
        Distance::Major => "major",
        Distance::Months(_) => "date",
        Distance::Unknown | Distance::Downgrade => "cannot be told",
    }
}

const NAMES: [&str; 6] = [
    "revision",
    "patch",
    "minor",
    "major",
    "date",
    "cannot be told",
];

fn counted(steps: &[Step]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for step in steps {
        *counts.entry(name(step.distance)).or_default() += 1;
    }
    counts
}

/// How often a breaking upgrade has more points than a control, ties half.
fn auc(breaking: &[Step], controls: &[Step]) -> f64 {
    let mut sum = 0.0;
    for bad in breaking {
        for good in controls {
            sum += match bad.points.cmp(&good.points) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    sum / (breaking.len() * controls.len()).max(1) as f64
}

/// Wilson's interval of a share, 95 %.
fn wilson(hits: usize, of: usize) -> (f64, f64) {
    let (n, z) = (of.max(1) as f64, 1.96_f64);
    let p = hits as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((middle - spread) / scale, (middle + spread) / scale)
}

#[test]
fn distance_alone_tells_little_and_nothing_is_let_in_at_once() {
    let Some(records) = records() else {
        return;
    };
    let of = |pairs: &[(String, String)]| -> Vec<Step> {
        pairs.iter().map(|(from, to)| step(from, to)).collect()
    };
    let broke: Vec<Step> = records
        .iter()
        .map(|record| {
            let library = &record.updated_dependency;
            step(&library.previous_version, &library.new_version)
        })
        .collect();
    let went = of(&controls(&records));
    let beside = of(&neighbours(&records));
    let (all, all_went, all_beside) = (broke.len(), went.len(), beside.len());
    println!(
        "| distance | points | broke ({all}) | came through ({all_went}) | neighbours ({all_beside}) |"
    );
    println!("|---|---|---|---|---|");
    let (bad, good, near) = (counted(&broke), counted(&went), counted(&beside));
    for distance in NAMES {
        let points = broke.iter().chain(&went).chain(&beside);
        let mut points: Vec<u32> = points
            .filter(|step| name(step.distance) == distance)
            .map(|step| step.points)
            .collect();
        points.sort_unstable();
        let of = |counts: &BTreeMap<&str, usize>| counts.get(distance).copied().unwrap_or(0);
        let (least, most) = (points.first().unwrap_or(&0), points.last().unwrap_or(&0));
        println!(
            "| {distance} | {least}–{most} | {} | {} | {} |",
            of(&bad),
            of(&good),
            of(&near)
        );
    }
    let small = |steps: &[Step]| {
        let small = steps.iter().filter(|step| step.distance <= Distance::Patch);
        small.count()
    };
    let (low, high) = wilson(small(&broke), all);
    println!(
        "patches or less: {} of {all} that broke ({:.1}–{:.1} %), {} of {all_went} that came through, {} of {all_beside} neighbours",
        small(&broke),
        low * 100.0,
        high * 100.0,
        small(&went),
        small(&beside),
    );
    let (against, beside) = (auc(&broke, &went), auc(&broke, &beside));
    println!("AUC against those that came through {against:.2}, against neighbours {beside:.2}");
    tell_causes(&broke, &records);
    assert!(all >= 200, "the set is not whole: {all}");
    assert!(
        small(&broke) > 0,
        "that a patch is safe is what this set refutes"
    );
    assert!(
        broke.iter().all(|step| step.points >= 8),
        "nothing is without risk"
    );
    assert!(beside >= 0.70, "AUC against neighbours: {beside:.2}");
}

/// How cautious those that broke would have been, and why they broke.
fn tell_causes(broke: &[Step], records: &[Record]) {
    let mut levels: BTreeMap<Level, usize> = BTreeMap::new();
    let mut causes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (step, record) in broke.iter().zip(records) {
        *levels.entry(step.level).or_default() += 1;
        *causes
            .entry((name(step.distance), record.failure_category.as_str()))
            .or_default() += 1;
    }
    println!("levels of those that broke: {levels:?}\ncauses: {causes:?}");
}
