//! What an `incident.yaml` says: a small world at one moment, and the truth about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ostler_core::{
    id::{InstanceId, NodeName, ServiceKey},
    incident::CauseKind,
    observed::{Phase, Problem},
    proposal::ProposalState,
    signal::SignalKind,
    spec::ServiceSpec,
    time::Span,
};
use serde::Deserialize;

use crate::EvalError;

/// One bundle.
#[derive(Debug, Clone, Deserialize)]
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
    /// What is right.
    pub truth: Truth,
    /// What is wanted, and what was wanted before.
    pub services: Vec<ServiceIn>,
    /// What runs.
    #[serde(default)]
    pub instances: Vec<InstanceIn>,
    /// Series; each ends now.
    #[serde(default)]
    pub signals: Vec<SeriesIn>,
    /// Past changes, in any order.
    #[serde(default)]
    pub changes: Vec<ChangeIn>,
    /// The ends of logs, a line a string.
    #[serde(default)]
    pub logs: BTreeMap<InstanceId, Vec<String>>,
    /// Incidents that are over.
    #[serde(default)]
    pub past: Vec<PastIn>,
    /// Names of secrets that exist, `namespace/name`.
    #[serde(default)]
    pub secrets: Vec<String>,
}

fn healer() -> String {
    "healer".to_owned()
}

/// What is right.
#[derive(Debug, Clone, Deserialize)]
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
        #[serde(default)]
        with: BTreeMap<String, serde_json::Value>,
    },
}

/// A service as wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceIn {
    /// Its name.
    pub service: ServiceKey,
    /// The current generation's number.
    #[serde(default = "one")]
    pub generation: u64,
    /// How long ago it was asked for.
    pub changed: Span,
    /// Whether its rollout finished.
    #[serde(default = "yes")]
    pub settled: bool,
    /// What it should be.
    pub spec: ServiceSpec,
    /// Generations before, newest first.
    #[serde(default)]
    pub earlier: Vec<EarlierIn>,
}

/// A generation that was.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierIn {
    /// Its number.
    pub generation: u64,
    /// How long ago it was asked for.
    pub changed: Span,
    /// Whether its rollout finished and it is the last that did.
    #[serde(default)]
    pub good: bool,
    /// How it differed from the current spec: a JSON merge patch (RFC 7396).
    pub differs: serde_json::Value,
}

/// An instance as seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceIn {
    /// Its id.
    pub id: InstanceId,
    /// Whose.
    pub service: ServiceKey,
    /// From which generation.
    #[serde(default = "one")]
    pub generation: u64,
    /// Where; on `node-1` when absent.
    #[serde(default)]
    pub node: Option<NodeName>,
    /// What it is doing.
    #[serde(default = "running")]
    pub phase: PhaseIn,
    /// How long ago the current or last attempt began to run.
    pub started: Option<Span>,
    /// Whether its probes pass; when not, since when they say no and what the last try said.
    #[serde(default)]
    pub not_ready: Option<NotReadyIn>,
    /// Its ends, oldest first.
    #[serde(default)]
    pub exits: Vec<ExitIn>,
}

impl InstanceIn {
    /// Where it is: most bundles play on one machine and do not say.
    pub(crate) fn node(&self) -> Result<NodeName, String> {
        match &self.node {
            Some(node) => Ok(node.clone()),
            None => NodeName::new("node-1").map_err(|error| error.to_string()),
        }
    }
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseIn {
    /// Its process runs.
    Running,
    /// Its process ended.
    Ended,
    /// It could not be started.
    Failed(Problem),
}

impl PhaseIn {
    /// As the core says it.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Running => Phase::Running,
            Self::Ended => Phase::Ended,
            Self::Failed(problem) => Phase::Failed {
                problem: problem.clone(),
            },
        }
    }
}

/// A probe that says no.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotReadyIn {
    /// Since how long.
    pub since: Span,
    /// What the last try said.
    pub reason: String,
}

/// One end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExitIn {
    /// How long ago.
    pub ago: Span,
    /// How long it had run.
    pub ran: Span,
    /// Exit code.
    pub code: Option<i32>,
    /// Signal.
    pub signal: Option<i32>,
    /// Whether its memory was the reason.
    #[serde(default)]
    pub out_of_memory: bool,
    /// Whether a failed liveness probe was the reason.
    #[serde(default)]
    pub liveness: bool,
}

/// One series: values at even intervals, the last one now.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesIn {
    /// About a service…
    pub service: Option<ServiceKey>,
    /// …or an instance…
    pub instance: Option<InstanceId>,
    /// …or a node.
    pub node: Option<NodeName>,
    /// What it measures.
    pub kind: SignalKind,
    /// The interval.
    #[serde(default = "ten_seconds")]
    pub every: Span,
    /// The values: written out, or `{from, to, count}` for a straight line.
    pub values: ValuesIn,
}

/// Values of a series.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ValuesIn {
    /// Written out, oldest first.
    List(Vec<f64>),
    /// A straight line.
    Line {
        /// The first value.
        from: f64,
        /// The last value.
        to: f64,
        /// How many.
        count: u32,
    },
}

impl ValuesIn {
    /// The values, oldest first.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::List(values) => values.clone(),
            Self::Line { from, to, count } => {
                let steps = f64::from(count.saturating_sub(1).max(1));
                (0..*count)
                    .map(|step| from + (to - from) * f64::from(step) / steps)
                    .collect()
            }
        }
    }
}

/// A past change.
#[derive(Debug, Clone, Deserialize)]
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
#[derive(Debug, Clone, Deserialize)]
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
    #[serde(default)]
    pub corrected: Option<String>,
}

const fn one() -> u64 {
    1
}
const fn yes() -> bool {
    true
}
const fn running() -> PhaseIn {
    PhaseIn::Running
}
const fn ten_seconds() -> Span {
    Span::seconds(10)
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
