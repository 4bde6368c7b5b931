//! Reads the knowledge base and says clearly what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::cause::{Cause, LessSurely, Test};

/// The files that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "admission.yaml",
        include_str!("../../knowledge/admission.yaml"),
    ),
    (
        "scheduling.yaml",
        include_str!("../../knowledge/scheduling.yaml"),
    ),
    ("storage.yaml", include_str!("../../knowledge/storage.yaml")),
    ("startup.yaml", include_str!("../../knowledge/startup.yaml")),
    ("runtime.yaml", include_str!("../../knowledge/runtime.yaml")),
    ("probes.yaml", include_str!("../../knowledge/probes.yaml")),
    ("routing.yaml", include_str!("../../knowledge/routing.yaml")),
    (
        "dependencies.yaml",
        include_str!("../../knowledge/dependencies.yaml"),
    ),
    (
        "performance.yaml",
        include_str!("../../knowledge/performance.yaml"),
    ),
    ("nodes.yaml", include_str!("../../knowledge/nodes.yaml")),
];

/// All causes, checked, with their patterns ready.
#[derive(Debug, Clone)]
pub struct Knowledge {
    causes: Vec<Cause>,
    patterns: BTreeMap<String, Regex>,
}

/// Why a knowledge base cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A file is no list of causes.
    #[error("`{file}` is no list of causes under `causes`: {reason}")]
    Unreadable {
        /// Which file.
        file: String,
        /// What the reader says, with line and field.
        reason: String,
    },
    /// A cause says something that cannot be.
    #[error("`{file}`: cause `{cause}`: `{field}` {reason}")]
    Wrong {
        /// In which file.
        file: String,
        /// Which cause.
        cause: String,
        /// Which of its fields.
        field: String,
        /// What is wrong with it, and what is accepted.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    causes: Vec<Cause>,
}

impl Knowledge {
    /// The knowledge base that comes with the program. Compiling its patterns takes tens of
    /// milliseconds: load it once.
    ///
    /// # Errors
    /// When one of its files is wrong; a test holds that none is.
    pub fn built_in() -> Result<Self, KnowledgeError> {
        Self::from_files(BUILT_IN)
    }

    /// Reads `(name, text)` of each file.
    ///
    /// # Errors
    /// The first file, cause and field that is wrong.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, KnowledgeError> {
        let mut read: Vec<(String, Cause)> = Vec::new();
        for (file, text) in files {
            let content: File =
                serde_saphyr::from_str(text).map_err(|error| KnowledgeError::Unreadable {
                    file: (*file).to_owned(),
                    reason: error.to_string(),
                })?;
            read.extend(
                content
                    .causes
                    .into_iter()
                    .map(|cause| ((*file).to_owned(), cause)),
            );
        }
        let patterns = checked(&read)?;
        let causes = read.into_iter().map(|(_, cause)| cause).collect();
        Ok(Self { causes, patterns })
    }

    /// Every cause, in the order of the files.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// The cause with an id.
    #[must_use]
    pub fn cause(&self, id: &str) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.id == id)
    }

    pub(super) fn pattern(&self, text: &str) -> Option<&Regex> {
        self.patterns.get(text)
    }
}

fn checked(read: &[(String, Cause)]) -> Result<BTreeMap<String, Regex>, KnowledgeError> {
    let ids: BTreeSet<&str> = read.iter().map(|(_, cause)| cause.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut patterns = BTreeMap::new();
    for (file, cause) in read {
        let wrong = |field: &str, reason: String| KnowledgeError::Wrong {
            file: file.clone(),
            cause: cause.id.clone(),
            field: field.to_owned(),
            reason,
        };
        if !seen.insert(cause.id.as_str()) {
            return Err(wrong(
                "id",
                "is taken by another cause; ids are unique".into(),
            ));
        }
        if !(cause.strength > 0.0 && cause.strength <= 1.0) {
            let reason = format!("is {}; accepted is above 0 up to 1", cause.strength);
            return Err(wrong("strength", reason));
        }
        if let Some(other) = cause.excludes.iter().find(|id| !ids.contains(id.as_str())) {
            return Err(wrong(
                "excludes",
                format!("names `{other}`, which no file has"),
            ));
        }
        let ways = cause.less_surely.iter();
        let too_sure = |way: &&LessSurely| !(way.strength > 0.0 && way.strength < cause.strength);
        if let Some(way) = ways.clone().find(too_sure) {
            let reason = format!(
                "has a strength of {}; accepted is above 0 and below the cause's own",
                way.strength
            );
            return Err(wrong("less_surely", reason));
        }
        let tests = std::iter::once(&cause.when).chain(&cause.likelier);
        for test in tests.chain(ways.map(|way| &way.when)) {
            compile(test, &mut patterns).map_err(|(field, reason)| wrong(field, reason))?;
        }
    }
    Ok(patterns)
}

type Wrong = (&'static str, String);

/// Compiles every pattern of a test, and refuses a test that says nothing.
fn compile(test: &Test, patterns: &mut BTreeMap<String, Regex>) -> Result<(), Wrong> {
    match test {
        Test::All(tests) | Test::Any(tests) if tests.is_empty() => Err((
            "when",
            "has an empty list; one test or more is accepted".into(),
        )),
        Test::All(tests) | Test::Any(tests) => {
            tests.iter().try_for_each(|test| compile(test, patterns))
        }
        Test::Not(test) => compile(test, patterns),
        Test::Near(near) => near
            .test
            .as_ref()
            .map_or(Ok(()), |test| compile(test, patterns)),
        Test::Fact(fact) if fact.name.is_empty() => Err((
            "fact",
            "has no `name`; the name of a fact is accepted".into(),
        )),
        Test::Fact(fact) => keep("matches", fact.matches.as_deref(), patterns),
        Test::Event(event) => {
            keep("reason", event.reason.as_deref(), patterns)?;
            keep("message", event.message.as_deref(), patterns)
        }
        Test::Log(log) => keep("line", Some(&log.line), patterns),
        Test::Signal(signal) => keep("name", signal.name.as_deref(), patterns),
        Test::Change(change) => keep("what", change.what.as_deref(), patterns),
    }
}

fn keep(
    field: &'static str,
    text: Option<&str>,
    patterns: &mut BTreeMap<String, Regex>,
) -> Result<(), Wrong> {
    let Some(text) = text.filter(|text| !patterns.contains_key(*text)) else {
        return Ok(());
    };
    let pattern = RegexBuilder::new(text)
        .case_insensitive(true)
        .build()
        .map_err(|error| (field, format!("is no pattern: {error}")))?;
    patterns.insert(text.to_owned(), pattern);
    Ok(())
}
