//! Known vulnerabilities as OSV records (<https://ossf.github.io/osv-schema/>), and which of them reach what
//! an image holds.
//!
//! Records are read for what is needed and no more, so that one with fields or ecosystems that nobody knew
//! of is still read. A version that cannot be compared is named by no range; it is counted, not guessed.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use cvss::Cvss;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::package::{Order, Package};

/// Most records of a feed.
pub const RECORDS_LIMIT: usize = 300_000;
/// Most vulnerabilities of one image that are told.
pub const TOLD_LIMIT: usize = 50;
/// Longest name that is kept of a record.
const TEXT_LIMIT: usize = 100;

/// A record as it is written.
#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    severity: Vec<Score>,
    #[serde(default)]
    affected: Vec<Affected>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Score {
    #[serde(default)]
    score: String,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<Named>,
    #[serde(default)]
    severity: Vec<Score>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    ecosystem_specific: Value,
}

#[derive(Deserialize)]
struct Named {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize, Default)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// How bad a vulnerability is.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody says.
    #[default]
    Unknown,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    fn of_words(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "low" | "unimportant" | "negligible" => Self::Low,
            "medium" | "moderate" => Self::Medium,
            "high" | "important" => Self::High,
            "critical" => Self::Critical,
            _ => Self::Unknown,
        }
    }

    fn of_score(score: &Score) -> Self {
        let Ok(cvss) = Cvss::from_str(&score.score) else {
            return Self::Unknown;
        };
        match cvss.severity() {
            cvss::Severity::None | cvss::Severity::Low => Self::Low,
            cvss::Severity::Medium => Self::Medium,
            cvss::Severity::High => Self::High,
            cvss::Severity::Critical => Self::Critical,
        }
    }

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "of unknown severity",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A vulnerability that reaches a package of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vulnerability {
    /// The record's id.
    pub id: String,
    /// Other names of it, such as a CVE, 3 at most.
    pub aliases: Vec<String>,
    /// How bad.
    pub severity: Severity,
    /// The package.
    pub package: String,
    /// The version that the image holds.
    pub installed: String,
    /// The first version above that without it; absent where there is none yet.
    pub fixed: Option<String>,
}

/// What a record says of one package.
struct Known {
    id: Arc<str>,
    aliases: Arc<[String]>,
    severity: Severity,
    ecosystem: String,
    ranges: Vec<Vec<Event>>,
    versions: Vec<String>,
}

/// All records of a feed.
#[derive(Default)]
pub struct Feed {
    by_name: BTreeMap<String, Vec<Known>>,
    records: usize,
    withdrawn: usize,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Takes one record in.
    ///
    /// # Errors
    /// In words, when it is no OSV record or the feed is full.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if self.records >= RECORDS_LIMIT {
            return Err(format!("the feed has more than {RECORDS_LIMIT} records"));
        }
        let record: Record =
            serde_json::from_str(text).map_err(|error| format!("no OSV record: {error}"))?;
        self.records += 1;
        if record.withdrawn.is_some() {
            self.withdrawn += 1;
            return Ok(());
        }
        let id: Arc<str> = cut(&record.id).into();
        let aliases: Arc<[String]> = record
            .aliases
            .iter()
            .take(3)
            .map(|name| cut(name))
            .collect();
        let whole = worst(&record.severity).max(said(&record.database_specific));
        for affected in record.affected {
            let Some(package) = affected.package else {
                continue;
            };
            let own = worst(&affected.severity).max(said(&affected.ecosystem_specific));
            let ordered = affected
                .ranges
                .into_iter()
                .filter(|range| range.kind != "GIT");
            let known = Known {
                id: id.clone(),
                aliases: aliases.clone(),
                severity: if own == Severity::Unknown { whole } else { own },
                ecosystem: package.ecosystem,
                ranges: ordered.map(|range| range.events).collect(),
                versions: affected.versions,
            };
            self.by_name.entry(package.name).or_default().push(known);
        }
        Ok(())
    }

    /// How many records there are, withdrawn ones included.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// What of it reaches these packages: the worst first, [`TOLD_LIMIT`] at most, and how many in all.
    #[must_use]
    pub fn reaching(&self, packages: &[Package]) -> (Vec<Vulnerability>, usize) {
        let mut found = Vec::new();
        for package in packages {
            for known in self.by_name.get(&package.name).into_iter().flatten() {
                if let Some(fixed) = known.reaches(package) {
                    found.push(known.told(package, fixed));
                }
            }
        }
        found.sort_by(|one: &Vulnerability, other| {
            let key = |one: &Vulnerability| (std::cmp::Reverse(one.severity), one.id.clone());
            key(one)
                .cmp(&key(other))
                .then_with(|| one.package.cmp(&other.package))
        });
        found.dedup();
        let all = found.len();
        found.truncate(TOLD_LIMIT);
        (found, all)
    }
}

impl Known {
    /// Whether it reaches a package; then the first version above that without it, if there is one.
    fn reaches(&self, package: &Package) -> Option<Option<String>> {
        if !is_of(&self.ecosystem, &package.ecosystem) {
            return None;
        }
        let order = Order::of(&package.ecosystem);
        let version = package.version.as_str();
        let named = self.versions.iter().any(|one| one == version);
        let within = self
            .ranges
            .iter()
            .any(|events| inside(order, events, version));
        if !named && !within {
            return None;
        }
        let fixes = self
            .ranges
            .iter()
            .flatten()
            .filter_map(|event| event.fixed.as_deref());
        let above =
            fixes.filter(|fixed| order.compare(version, fixed) == Some(std::cmp::Ordering::Less));
        let first = above.min_by(|one, other| {
            order
                .compare(one, other)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        Some(first.map(cut))
    }

    fn told(&self, package: &Package, fixed: Option<String>) -> Vulnerability {
        Vulnerability {
            id: self.id.to_string(),
            aliases: self.aliases.to_vec(),
            severity: self.severity,
            package: package.name.clone(),
            installed: package.version.clone(),
            fixed,
        }
    }
}

/// The algorithm of the schema: the last event that the version has reached decides.
fn inside(order: Order, events: &[Event], version: &str) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let mut last: Option<(&str, bool)> = None;
    for event in events {
        let Some((at, opens, above)) = event.parts() else {
            continue;
        };
        let stands = order.compare(at, version);
        let reached = at == "0" || stands == Some(Less) || (stands == Some(Equal) && !above);
        let later = last.is_none_or(|(before, _)| {
            before == "0" || (at != "0" && order.compare(before, at) != Some(Greater))
        });
        if reached && later {
            last = Some((at, opens));
        }
    }
    order.compare(version, version).is_some() && last.is_some_and(|(_, opens)| opens)
}

impl Event {
    /// The version, whether it opens what is affected, and whether it counts from above that version only.
    fn parts(&self) -> Option<(&str, bool, bool)> {
        let introduced = self.introduced.as_deref().map(|at| (at, true, false));
        let fixed = self.fixed.as_deref().map(|at| (at, false, false));
        let last = self.last_affected.as_deref().map(|at| (at, false, true));
        introduced.or(fixed).or(last)
    }
}

/// Whether a record's ecosystem is that of a package: `Debian` is every Debian, `Ubuntu:24.04:LTS` is
/// `Ubuntu:24.04`.
fn is_of(record: &str, package: &str) -> bool {
    let record = record.strip_suffix(":LTS").unwrap_or(record);
    let family = package.split(':').next();
    record == package || (!record.contains(':') && family == Some(record))
}

fn worst(scores: &[Score]) -> Severity {
    let known = scores.iter().map(Severity::of_score);
    known.max().unwrap_or_default()
}

/// What a database says in a word of its own.
fn said(specific: &Value) -> Severity {
    let words = ["severity", "urgency"].iter();
    let words = words.filter_map(|name| specific.get(name)?.as_str());
    words.map(Severity::of_words).max().unwrap_or_default()
}

fn cut(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    clean.take(TEXT_LIMIT).collect()
}

/// How urgent an upgrade is by what is known of what runs.
#[must_use]
pub fn worst_of(found: &[Vulnerability]) -> Severity {
    found
        .iter()
        .map(|one| one.severity)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: &str, name: &str, version: &str) -> Package {
        Package {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    const OPENSSL: &str = r#"{
        "schema_version": "1.7.0", "id": "DEBIAN-CVE-2024-5535", "modified": "2024-07-01T00:00:00Z",
        "upstream": ["CVE-2024-5535"], "aliases": ["CVE-2024-5535"],
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H" }],
        "affected": [
            { "package": { "ecosystem": "Debian:12", "name": "openssl", "purl": "pkg:deb/debian/openssl" },
              "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "3.0.14-1~deb12u2" }] }] },
            { "package": { "ecosystem": "Debian:11", "name": "openssl" },
              "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }],
              "ecosystem_specific": { "urgency": "unimportant" } }
        ] }"#;

    fn feed(records: &[&str]) -> Feed {
        let mut feed = Feed::default();
        for record in records {
            feed.add(record).unwrap();
        }
        feed
    }

    #[test]
    fn what_an_image_holds_is_reached_below_the_fix_and_not_from_it_on() {
        let feed = feed(&[OPENSSL]);
        let (found, all) = feed.reaching(&[package("Debian:12", "openssl", "3.0.11-1~deb12u2")]);
        assert_eq!(all, 1);
        let one = found.first().unwrap();
        assert_eq!(
            (one.severity, one.fixed.as_deref(), one.aliases.as_slice()),
            (
                Severity::Critical,
                Some("3.0.14-1~deb12u2"),
                &["CVE-2024-5535".to_owned()][..]
            )
        );
        for fine in ["3.0.14-1~deb12u2", "3.0.15-1"] {
            assert_eq!(
                feed.reaching(&[package("Debian:12", "openssl", fine)]).1,
                0,
                "{fine}"
            );
        }
        assert_eq!(
            feed.reaching(&[package("Debian:13", "openssl", "3.0.11-1")])
                .1,
            0
        );
        let (old, _) = feed.reaching(&[package("Debian:11", "openssl", "1.1.1w-0")]);
        let one = old.first().unwrap();
        assert_eq!((one.severity, &one.fixed), (Severity::Low, &None));
    }

    #[test]
    fn ranges_may_open_and_close_more_than_once_in_any_order() {
        let record = r#"{ "id": "GHSA-1", "database_specific": { "severity": "HIGH" }, "affected": [{
            "package": { "ecosystem": "npm", "name": "left" },
            "ranges": [{ "type": "SEMVER", "events": [
                { "fixed": "2.4.0" }, { "introduced": "1.0.0" }, { "fixed": "1.2.0" }, { "introduced": "2.0.0" } ] },
              { "type": "SEMVER", "events": [{ "introduced": "3.0.0" }, { "last_affected": "3.1.0" }] },
              { "type": "GIT", "events": [{ "introduced": "0" }] }],
            "versions": ["0.9.9-odd"] }] }"#;
        let feed = feed(&[record]);
        for (version, fixed) in [
            ("0.9.0", None),
            ("1.0.0", Some(Some("1.2.0"))),
            ("1.1.9", Some(Some("1.2.0"))),
            ("1.2.0", None),
            ("2.1.0", Some(Some("2.4.0"))),
            ("2.4.0", None),
            ("3.1.0", Some(None)),
            ("3.1.1", None),
            ("0.9.9-odd", Some(Some("1.2.0"))),
            ("not a version", None),
        ] {
            let (found, _) = feed.reaching(&[package("npm", "left", version)]);
            let told = found.first().map(|one| one.fixed.as_deref());
            assert_eq!(told, fixed, "{version}");
        }
    }

    #[test]
    fn withdrawn_records_and_nonsense_reach_nothing_and_the_worst_is_told_first() {
        let one = |id: &str, severity: &str, extra: &str| {
            format!(
                r#"{{ "id": "{id}", {extra} "database_specific": {{ "severity": "{severity}" }}, "affected": [{{
                "package": {{ "ecosystem": "Alpine", "name": "musl" }},
                "ranges": [{{ "type": "ECOSYSTEM", "events": [{{ "introduced": "0" }}, {{ "fixed": "1.2.5-r1" }}] }}] }}] }}"#
            )
        };
        let records = [
            one("A", "LOW", ""),
            one("B", "CRITICAL", ""),
            one("C", "CRITICAL", r#""withdrawn": "2024-01-01T00:00:00Z","#),
        ];
        let mut feed = feed(&records.each_ref().map(String::as_str));
        assert!(feed.add("{").unwrap_err().starts_with("no OSV record"));
        let (found, all) = feed.reaching(&[package("Alpine:v3.20", "musl", "1.2.5-r0")]);
        let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
        assert_eq!((ids, all, feed.records()), (vec!["B", "A"], 2, 3));
        assert_eq!(worst_of(&found), Severity::Critical);
    }
}
