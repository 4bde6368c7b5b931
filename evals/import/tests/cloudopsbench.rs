//! What the knowledge base says of Cloud-OpsBench, where the data is there.
//!
//! Prints figures, confusions and misses; asserts the floors that were measured. The data is no part
//! of the project: `OSTLER_INCIDENTS` names a folder that has `cloudopsbench/`.

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
    ("boutique", [0.99, 0.99, 0.99]),
    ("trainticket", [0.98, 0.98, 0.98]),
];
/// Cases are dealt out to so many folds.
const FOLDS: usize = 5;

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

#[derive(Default)]
struct Report {
    systems: BTreeMap<String, Tally>,
    folds: BTreeMap<(String, usize), Tally>,
    causes: BTreeMap<(String, String), Tally>,
    confusions: BTreeMap<(String, String), u32>,
    misses: Vec<String>,
    beside: u32,
    calm: u32,
    alarms: u32,
    startled: u32,
    longest: Duration,
    whole: Duration,
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
    let mut report = Report::default();
    for (place, folder) in folders(&root).expect("folders").iter().enumerate() {
        let started = Instant::now();
        let case = read_case(&root, folder).expect("a case");
        let said = by_knowledge(&case.picture, &knowledge);
        report.took(started.elapsed());
        report.judge(place, &case, &said);
        report.calm(&case, &knowledge);
    }
    for line in report.lines() {
        println!("{line}");
    }
    assert!(
        report.alarms * 100 <= report.calm,
        "{} of {} false alarms",
        report.alarms,
        report.calm
    );
    for (system, floors) in FLOORS {
        let shares = report
            .systems
            .get(system)
            .copied()
            .unwrap_or_default()
            .shares();
        let holds = shares
            .iter()
            .zip(floors)
            .all(|(share, floor)| *share >= floor);
        assert!(holds, "{system}: {shares:?} is below {floors:?}");
    }
}

impl Report {
    fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
        self.whole += time;
    }

    fn judge(&mut self, place: usize, case: &Case, said: &Diagnosis) {
        let right_at = |end: usize| {
            said.findings
                .iter()
                .take(end)
                .any(|one| right(one, &case.truth).1)
        };
        let object = said
            .findings
            .first()
            .is_some_and(|one| right(one, &case.truth).0);
        let score = [right_at(1), right_at(3), object];
        let system = case.id.split('/').next().unwrap_or_default().to_owned();
        self.systems.entry(system.clone()).or_default().add(score);
        self.folds
            .entry((system.clone(), place % FOLDS))
            .or_default()
            .add(score);
        self.causes
            .entry((system, cause(case)))
            .or_default()
            .add(score);
        let wrong = |one: &&Finding| !right(one, &case.truth).0 && one.score >= 0.5;
        self.beside += u32::from(said.findings.iter().any(|one| wrong(&one)));
        if !score[0] {
            let found = said.findings.first().and_then(|one| one.cause.clone());
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            *self.confusions.entry((cause(case), found)).or_default() += 1;
            self.misses.push(miss(case, said));
        }
    }

    /// The same system before anything was broken: is it called healthy, and what is said of it when
    /// somebody cries wolf halfway?
    fn calm(&mut self, case: &Case, knowledge: &Knowledge) {
        let Some(mut picture) = before_trouble(case) else {
            return;
        };
        self.calm += 1;
        self.startled += u32::from(!by_knowledge(&picture, knowledge).findings.is_empty());
        picture.noticed = None;
        let said = by_knowledge(&picture, knowledge);
        self.alarms += u32::from(said.verdict != Verdict::Healthy);
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = self.misses.clone();
        for ((system, cause), tally) in &self.causes {
            let (cases, shares) = (tally.cases, tally.shares());
            lines.push(format!("{system:12} {cause:38} {cases:3} {shares:.2?}"));
        }
        for ((wanted, found), times) in &self.confusions {
            lines.push(format!("CONFUSED {times} x {wanted} -> {found}"));
        }
        for ((system, fold), tally) in &self.folds {
            let (cases, shares) = (tally.cases, tally.shares());
            lines.push(format!("{system:12} fold {fold} {cases:3} {shares:.3?}"));
        }
        let Self {
            beside,
            calm,
            alarms,
            startled,
            whole,
            longest,
            ..
        } = self;
        lines.push(format!(
            "{beside} cases have a wrong finding of 0.5 or more beside the right one"
        ));
        lines.push(format!(
            "before trouble: {alarms} of {calm} not called healthy"
        ));
        lines.push(format!(
            "before trouble, but told of some: {startled} of {calm} with a finding"
        ));
        lines.push(format!("in all {whole:?}, longest {longest:?}"));
        for (system, tally) in &self.systems {
            let (cases, shares) = (tally.cases, tally.shares());
            lines.push(format!(
                "{system:12} {cases:3} A@1 A@3 object@1 {shares:.3?}"
            ));
        }
        lines
    }
}

/// Numbers up to when trouble began, noticed halfway; nothing was said yet.
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
