//! What a file under `evals/faults` says: one way in which things go wrong, or only seem to.

use std::{collections::BTreeMap, path::Path};

use ostler_core::{id::ServiceKey, incident::CauseKind, time::Span};
use serde::Deserialize;
use serde_json::Value;

use crate::{CaseError, rule::Rule};

/// One mechanism as it is written; its variants are merge patches (RFC 7396) over the rest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mechanism {
    /// What is common to all variants: a case without its name.
    pub case: Value,
    /// By name; two at least.
    pub variants: BTreeMap<String, Value>,
}

/// One case to play.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `mechanism/variant`.
    #[serde(skip)]
    pub name: String,
    /// What it is about, for people.
    pub about: String,
    /// Under which heading it is counted, such as `memory`.
    pub category: String,
    /// What is right.
    pub truth: Truth,
    /// How services differ from the usual shop from the start: merge patches of their specs.
    #[serde(default)]
    pub setup: BTreeMap<ServiceKey, Value>,
    /// What people do, by name.
    #[serde(default)]
    pub deeds: BTreeMap<String, Deed>,
    /// How programs behave, by name.
    #[serde(default)]
    pub rules: BTreeMap<String, Rule>,
    /// Whether unrelated things happen too: changes, chatter in logs, swings of traffic.
    #[serde(default)]
    pub noise: bool,
    /// How long it is played at most, from the beginning of the trouble; as long as usual when absent.
    #[serde(default)]
    pub lasts: Option<Span>,
    /// Most ends that nobody asked for, once the trouble began.
    #[serde(default)]
    pub most_ends: Option<usize>,
    /// Ways to mend it that a person could take; each must satisfy the oracle.
    #[serde(default)]
    pub right: Vec<Vec<Call>>,
    /// Ways that mend nothing, or too much; none may satisfy the oracle.
    #[serde(default)]
    pub wrong: Vec<Vec<Call>>,
}

/// What is right.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Truth {
    /// Nothing is wrong: no incident, no change.
    Healthy,
    /// It can be mended by what agents may propose: every service is healthy in the end.
    Mitigate {
        /// The cause.
        cause: CauseKind,
        /// The service at fault.
        culprit: ServiceKey,
    },
    /// A person must help: an incident that calls one, and no change.
    Person {
        /// The cause, where it can be known.
        #[serde(default)]
        cause: Option<CauseKind>,
        /// The service at fault, where it can be known.
        #[serde(default)]
        culprit: Option<ServiceKey>,
    },
}

/// What a person does.
#[derive(Debug, Clone, Deserialize)]
pub struct Deed {
    /// How long after the beginning of the trouble.
    #[serde(default)]
    pub at: Span,
    /// What: a changed spec, or a call of a tool.
    #[serde(flatten)]
    pub what: Doing,
}

/// What a person does, one of the two.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Doing {
    /// A service's spec is changed.
    Patch {
        /// Whose.
        service: ServiceKey,
        /// The merge patch over its spec.
        patch: Value,
    },
    /// A tool is called, as a fix would call it: a planned drain, a restart by hand.
    Call(Call),
}

/// One call of a tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Which.
    pub tool: String,
    /// With what; `$first:namespace/name` stands for that service's oldest instance.
    pub arguments: Value,
}

/// Every case of every mechanism under a folder, in order of name.
///
/// # Errors
/// The first file that is not a mechanism.
pub fn read_all(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let wrong = |place: &Path, problem: String| CaseError {
        place: place.display().to_string(),
        problem,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(folder, error.to_string()))? {
        let path = entry
            .map_err(|error| wrong(folder, error.to_string()))?
            .path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(&file).map_err(|error| wrong(&file, error.to_string()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        cases.extend(parse(&name, &text).map_err(|problem| wrong(&file, problem))?);
    }
    Ok(cases)
}

/// The cases of one mechanism.
///
/// # Errors
/// What is wrong with it.
pub fn parse(name: &str, text: &str) -> Result<Vec<Case>, String> {
    let mechanism: Mechanism = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if mechanism.variants.len() < 2 {
        return Err("`variants` has less than two".to_owned());
    }
    let variants = mechanism.variants.iter();
    variants
        .map(|(variant, patch)| {
            let mut whole = mechanism.case.clone();
            json_patch::merge(&mut whole, patch);
            let mut case: Case = serde_json::from_value(whole)
                .map_err(|error| format!("variant `{variant}`: {error}"))?;
            case.name = format!("{name}/{variant}");
            Ok(case)
        })
        .collect()
}
