//! What an `incident.yaml` says: a small world at one moment, and the truth about it.

mod instance;
mod series;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    incident::CauseKind,
    proposal::ProposalState,
    time::Span,
};
use ostler_tools::answer::UpgradeSeen;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use instance::{
    AnswerIn, EventIn, EventKindIn, ExitIn, InstanceIn, NotReadyIn, PhaseIn, ProbesIn, ReservesIn,
};
pub(crate) use series::ten_seconds;
pub use series::{SeriesIn, ValuesIn};
pub use service::{EarlierIn, NodeIn, ServiceIn};

use crate::EvalError;

/// One bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// What it is about, for people.
    pub about: String,
    /// The agent that is asked.
    #[serde(default = "healer")]
    pub agent: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "is_written")]
    pub source: Source,
    /// Under which licence it may be passed on, where others made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Whose word the truth is, such as `user:ann`. An agent's word is what it believed: nobody
    /// confirmed it. Whoever wrote the bundle, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    /// What is right.
    pub truth: Truth,
    /// What is wanted, and what was wanted before.
    pub services: Vec<ServiceIn>,
    /// Machines that are not plain: those that are not named are ready, large and have room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeIn>,
    /// What runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceIn>,
    /// Series; each ends now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<SeriesIn>,
    /// Ends and failed starts, also of instances that are gone, in any order; when empty, the ends of
    /// those that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventIn>,
    /// Past changes, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeIn>,
    /// The ends of logs, a line a string.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<InstanceId, Vec<String>>,
    /// Incidents that are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastIn>,
    /// Names of secrets that exist, `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What registries were seen to have, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upgrades: BTreeMap<ServiceKey, UpgradeSeen>,
    /// Whether changes are frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// What a capture had no room or no time for, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Where a bundle comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Somebody wrote it.
    #[default]
    Written,
    /// It was captured when an incident was opened.
    Captured,
}

fn is_written(source: &Source) -> bool {
    *source == Source::Written
}

impl Bundle {
    /// Whether nobody but an agent says what is right in it.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        let by = self.judged_by.as_deref();
        by.is_some_and(|by| by.starts_with("agent:"))
    }
}

fn healer() -> String {
    "healer".to_owned()
}

/// What is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Truth {
    /// No incident at all.
    Healthy,
    /// An incident without a cause and without a proposal: evidence does not settle it.
    Unexplained {
        /// The service that shows the symptom.
        service: ServiceKey,
    },
    /// An incident with this cause.
    Faulty {
        /// The kind.
        cause: CauseKind,
        /// The service at fault.
        culprit: ServiceKey,
        /// The one tool to propose; none when only a person can help.
        tool: Option<String>,
        /// Text that the call's arguments must hold, such as an instance or a generation.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        with: BTreeMap<String, serde_json::Value>,
    },
}

/// A past change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeIn {
    /// How long ago.
    pub ago: Span,
    /// By which tool.
    pub tool: String,
    /// Who asked.
    #[serde(default = "somebody")]
    pub by: String,
    /// In words.
    pub summary: String,
    /// What it touched.
    pub services: Vec<ServiceKey>,
}

/// An incident that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PastIn {
    /// How long ago it was opened and closed.
    pub ago: Span,
    /// The service that showed the symptoms, which was at fault.
    pub service: ServiceKey,
    /// The kinds of symptoms.
    pub symptoms: BTreeSet<String>,
    /// What was believed to be the cause.
    pub cause: CauseKind,
    /// The tool that was proposed.
    pub tool: String,
    /// What became of the proposal.
    pub became: ProposalState,
    /// In a person's words, why that was not the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<String>,
}

fn somebody() -> String {
    "user:ann".to_owned()
}

/// Reads every bundle under a folder, in order of name.
///
/// # Errors
/// [`EvalError`] names the file and what is wrong with it.
pub fn read_all(folder: &Path) -> Result<Vec<Bundle>, EvalError> {
    let failed = |source| EvalError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

/// Reads one bundle.
///
/// # Errors
/// As [`read_all`].
pub fn read(folder: &Path) -> Result<Bundle, EvalError> {
    let path = folder.join("incident.yaml");
    let text = std::fs::read_to_string(&path).map_err(|source| EvalError::Read {
        path: path.clone(),
        source,
    })?;
    let mut bundle: Bundle = serde_saphyr::from_str(&text).map_err(|error| EvalError::Bundle {
        path: path.clone(),
        problem: error.to_string(),
    })?;
    bundle.name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(bundle)
}

/// Writes a bundle into a folder as `incident.yaml`. Makes the folder; nothing is written over.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write(folder: &Path, bundle: &Bundle) -> Result<(), EvalError> {
    let path = folder.join("incident.yaml");
    let text = serde_saphyr::to_string(bundle).map_err(|error| EvalError::Bundle {
        path: path.clone(),
        problem: error.to_string(),
    })?;
    let made = std::fs::create_dir_all(folder).and_then(|()| {
        let mut file = std::fs::File::create_new(&path)?;
        file.write_all(text.as_bytes())
    });
    made.map_err(|source| EvalError::Write { path, source })
}

/// The JSON Schema (2020-12) of an `incident.yaml`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Bundle).to_value()
}
