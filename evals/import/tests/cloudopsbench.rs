//! What the knowledge base says of Cloud-OpsBench, where the data is there.
//!
//! Prints figures and misses; asserts the floors that were measured. The data is not a part of the
//! project: `OSTLER_INCIDENTS` names a folder that has `cloudopsbench/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ostler_diagnosis::finding::{Diagnosis, Finding, Verdict};
use ostler_diagnosis::knowledge::{Knowledge, by_knowledge};
use ostler_diagnosis::picture::Picture;
use ostler_evals_import::case::{Case, Truth};
use ostler_evals_import::cloudopsbench::{folders, read_case, right};

/// What was measured, and may not become less: A@1, A@3, object at 1.
const FLOORS: [(&str, [f64; 3]); 2] = [
    ("boutique", [0.98, 0.99, 0.98]),
    ("trainticket", [0.97, 0.97, 0.97]),
];

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    cases: u32,
    first: u32,
    third: u32,
    object: u32,
}

impl Tally {
    fn add(&mut self, score: [bool; 3]) {
        self.cases += 1;
        self.first += u32::from(score[0]);
        self.third += u32::from(score[1]);
        self.object += u32::from(score[2]);
    }

    fn shares(self) -> [f64; 3] {
        [self.first, self.third, self.object]
            .map(|hits| f64::from(hits) / f64::from(self.cases.max(1)))
    }
}

#[test]
fn causes_are_found() {
    let root = incidents().join("cloudopsbench");
    if !root.is_dir() {
        println!(
            "SKIPPED: no data at `{}`; set OSTLER_INCIDENTS",
            root.display()
        );
        return;
    }
    let knowledge = Knowledge::built_in().expect("the knowledge base is right");
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut folds: BTreeMap<(String, usize), Tally> = BTreeMap::new();
    let mut causes: BTreeMap<(String, String), Tally> = BTreeMap::new();
    let (mut calms, mut alarms, mut startles) = (0, 0, 0);
    let mut doubtful = 0;
    let mut longest = Duration::ZERO;
    let mut whole = Duration::ZERO;
    for (place, folder) in folders(&root).expect("folders").iter().enumerate() {
        let started = Instant::now();
        let case = read_case(&root, folder).expect("a case");
        let said = by_knowledge(&case.picture, &knowledge);
        longest = longest.max(started.elapsed());
        whole += started.elapsed();
        if let Some(mut calm) = before_trouble(&case) {
            calms += 1;
            let startled = by_knowledge(&calm, &knowledge);
            calm.noticed = None;
            let said = by_knowledge(&calm, &knowledge);
            alarms += u32::from(said.verdict != Verdict::Healthy);
            startles += u32::from(!startled.findings.is_empty());
            for first in said
                .findings
                .first()
                .iter()
                .chain(&startled.findings.first())
            {
                println!(
                    "ALARM {}: {} {:?} {:.2}",
                    case.id, first.object, first.cause, first.score
                );
            }
        }
        let score = score(&said, &case.truth);
        let system = case.id.split('/').next().unwrap_or_default().to_owned();
        tallies.entry(system.clone()).or_default().add(score);
        folds
            .entry((system.clone(), place % 5))
            .or_default()
            .add(score);
        causes.entry((system, cause(&case))).or_default().add(score);
        let (margin, spurious) = doubts(&case, &said);
        doubtful += u32::from(spurious.is_some());
        if let Some(spurious) = spurious {
            println!("ALSO {}: {} {spurious}", case.id, cause(&case));
        }
        if score[0] && margin < 0.1 {
            println!("NARROW {}: {} {margin:.2}", case.id, miss(&case, &said));
        }
        if !score[0] {
            println!("{}", miss(&case, &said));
        }
    }
    for ((system, cause), tally) in &causes {
        println!(
            "{system:12} {cause:38} {:3} {:?}",
            tally.cases,
            tally.shares()
        );
    }
    for ((system, fold), tally) in &folds {
        println!(
            "{system:12} fold {fold} {:3} {:.3?}",
            tally.cases,
            tally.shares()
        );
    }
    println!("in all {whole:?}, longest {longest:?}");
    println!(
        "before trouble began, {calms} recordings: {alarms} not called healthy, {startles} with a finding when told of trouble that was none"
    );
    assert!(
        alarms * 100 <= calms,
        "{alarms} of {calms} calm recordings are not called healthy"
    );
    println!("cases with a wrong finding of 0.5 or more: {doubtful}");
    for (system, tally) in &tallies {
        println!(
            "{system:12} {:3} A@1 A@3 object@1 {:.3?}",
            tally.cases,
            tally.shares()
        );
    }
    for (system, floors) in FLOORS {
        let shares = tallies.get(system).copied().unwrap_or_default().shares();
        for (share, floor) in shares.iter().zip(floors) {
            assert!(*share >= floor, "{system}: {shares:?} is below {floors:?}");
        }
    }
}

fn score(said: &Diagnosis, truth: &Truth) -> [bool; 3] {
    let right_at = |place: usize| {
        said.findings
            .iter()
            .take(place)
            .any(|one| right(one, truth).1)
    };
    let object = said.findings.first().is_some_and(|one| right(one, truth).0);
    [right_at(1), right_at(3), object]
}

fn miss(case: &Case, said: &Diagnosis) -> String {
    let Truth::Faulty { objects, .. } = &case.truth else {
        return String::new();
    };
    let found: Vec<String> = said
        .findings
        .iter()
        .take(4)
        .map(|one| {
            format!(
                "{} {} {:.2}",
                one.object,
                one.cause.as_deref().unwrap_or("?"),
                one.score
            )
        })
        .collect();
    format!(
        "MISS {}: {} {} -> {}",
        case.id,
        objects.join(","),
        cause(case),
        found.join("; ")
    )
}

/// The same system before anything was broken: numbers up to then, noticed halfway, nothing said.
fn before_trouble(case: &Case) -> Option<Picture> {
    let mut calm = case.picture.clone();
    let noticed = calm.noticed?;
    calm.symptom = None;
    calm.events.clear();
    calm.logs.clear();
    for signal in &mut calm.signals {
        signal.points.retain(|(at, _)| *at < noticed);
    }
    calm.signals.retain(|signal| signal.points.len() >= 8);
    let first = calm
        .signals
        .iter()
        .filter_map(|signal| signal.points.first())
        .map(|(at, _)| *at);
    let first = first.fold(f64::INFINITY, f64::min);
    calm.noticed = Some(first + (noticed - first) / 2.0);
    (!calm.signals.is_empty()).then_some(calm)
}

/// How far the first finding is ahead, and a finding that is wrong and not weak.
fn doubts(case: &Case, said: &Diagnosis) -> (f64, Option<String>) {
    let wrong = |one: &&Finding| !right(one, &case.truth).0;
    let first = said.findings.first().map_or(0.0, |one| one.score);
    let next = said
        .findings
        .iter()
        .skip(1)
        .find(wrong)
        .map_or(0.0, |one| one.score);
    let spurious = said
        .findings
        .iter()
        .filter(wrong)
        .find(|one| one.score >= 0.5);
    let words = spurious.map(|one| format!("{} {:?} {:.2}", one.object, one.cause, one.score));
    (first - next, words)
}

fn cause(case: &Case) -> String {
    match &case.truth {
        Truth::Faulty { cause, .. } => cause.clone().unwrap_or_default(),
        Truth::Healthy => "healthy".to_owned(),
    }
}

fn incidents() -> PathBuf {
    std::env::var_os("OSTLER_INCIDENTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    )
}
