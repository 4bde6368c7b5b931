//! Runs the suite and reads what it wrote: one folder for each scenario, in it every check.

use std::{collections::HashSet, fmt::Write, fs, path::Path, sync::OnceLock};

use serde::Deserialize;
use serde_json::Value;

use crate::common::npm::Npm;

/// The suite, and the Node it is made for.
const PACKAGES: [&str; 2] = [
    "node@22.23.3",
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
];
/// How long the time is that ends a folder's name, with the dash before it.
const TIME: usize = "-2026-01-01T00-00-00-000Z".len();

/// One check of a scenario.
#[derive(Debug, Deserialize)]
pub struct Check {
    id: String,
    status: Status,
    #[serde(default, rename = "errorMessage")]
    error: String,
    /// What was seen.
    #[serde(default)]
    pub details: Value,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Success,
    Failure,
    Warning,
    Skipped,
    Info,
}

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// As the suite calls it.
    pub name: String,
    /// The revision requires it; extensions and what came after the revision are beside it.
    pub required: bool,
    checks: Vec<Check>,
}

impl Scenario {
    /// How many checks passed.
    pub fn passed(&self) -> usize {
        self.with(Status::Success)
    }

    /// What did not pass, in words; a warning is no pass.
    pub fn wrong(&self) -> Vec<String> {
        let wrong = self
            .checks
            .iter()
            .filter(|check| matches!(check.status, Status::Failure | Status::Warning));
        wrong
            .map(|check| format!("{}: {}: {}", self.name, check.id, check.error))
            .collect()
    }

    /// A check by its id.
    pub fn check(&self, id: &str) -> &Check {
        self.checks.iter().find(|check| check.id == id).unwrap()
    }

    fn with(&self, status: Status) -> usize {
        let those = self.checks.iter().filter(|check| check.status == status);
        those.count()
    }
}

/// The suite, fetched.
pub struct Suite(Npm);

impl Suite {
    /// Fetches it, once, where it can be had.
    pub fn fetch() -> Option<&'static Self> {
        static FETCHED: OnceLock<Option<Suite>> = OnceLock::new();
        let fetched = FETCHED.get_or_init(|| Npm::fetch(&PACKAGES).map(Self));
        fetched.as_ref()
    }

    /// Every scenario that belongs to a revision, against a server.
    pub fn run(&self, url: &str, revision: &str) -> Vec<Scenario> {
        let dir = tempfile::tempdir().unwrap();
        let output = self
            .0
            .program("conformance")
            .args(["server", "--url", url, "--requirements", revision])
            .arg("--output-dir")
            .arg(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let beside = beside(&said);
        let mut scenarios: Vec<Scenario> = fs::read_dir(dir.path())
            .unwrap()
            .map(|folder| scenario(&folder.unwrap().path(), &beside))
            .collect();
        scenarios.sort_by(|one, other| one.name.cmp(&other.name));
        let failed = scenarios
            .iter()
            .any(|scenario| scenario.required && scenario.with(Status::Failure) > 0);
        let why = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), !failed, "{said}{why}");
        scenarios
    }
}

/// The scenarios that the suite says are not required: `  ✓ name (reason)` at the end of its words.
fn beside(said: &str) -> HashSet<&str> {
    let (_, list) = said.split_once("\nNot scored for").unwrap_or_default();
    let lines = list.lines().skip(1).map(str::trim_start);
    let names = lines.filter_map(|line| line.split_once(' ')?.1.split_once(" ("));
    names.map(|(name, _)| name).collect()
}

fn scenario(folder: &Path, beside: &HashSet<&str>) -> Scenario {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let name = name.strip_prefix("server-").unwrap();
    let name = &name[..name.len() - TIME];
    let checks = fs::read(folder.join("checks.json")).unwrap();
    Scenario {
        name: name.to_owned(),
        required: !beside.contains(name),
        checks: serde_json::from_slice(&checks).unwrap(),
    }
}

/// One line for each scenario.
pub fn table(scenarios: &[Scenario]) -> String {
    let mut table = String::new();
    for scenario in scenarios {
        let rank = if scenario.required {
            "required"
        } else {
            "beside"
        };
        let (passed, wrong) = (scenario.passed(), scenario.wrong().len());
        let skipped = scenario.with(Status::Skipped);
        let name = &scenario.name;
        writeln!(
            table,
            "{name:50} {rank:8} {passed:3} passed {wrong:2} wrong {skipped:2} skipped"
        )
        .unwrap();
    }
    table
}
