//! Everything that can be changed: a closed enum, its effect and its inverse.

mod apply;
mod law;
mod nodes;
mod rollout;
mod services;
mod validate;

pub use apply::apply;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    autonomy::Autonomy,
    autoscale::Tuning,
    id::{AgentName, FreezeName, Generation, InstanceId, NodeName, ServiceKey},
    intent::{Intent, Sealed, SecretKey},
    law::{Freeze, Glass, Policies},
    rollout::Mark,
    spec::{Amounts, ServiceSpec, Strategy},
    time::Time,
};

/// One change of the intent. It is a value: it can be judged, shown, committed and undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Creates or replaces services, all or none.
    ApplyServices {
        /// What each should be.
        services: Vec<ServicePut>,
    },
    /// Removes a service; its named volumes stay.
    DeleteService {
        /// Which.
        service: ServiceKey,
    },
    /// Sets the wanted number of instances.
    ScaleService {
        /// Which.
        service: ServiceKey,
        /// How many.
        replicas: u32,
    },
    /// Tunes how a service's scaling follows its load, for a while.
    TuneScaling {
        /// Which.
        service: ServiceKey,
        /// The tuning, whole; `None` goes back to what the spec says.
        tuning: Option<Box<Tuning>>,
    },
    /// Sets limits, and requests where given; what runs is resized in place.
    SetLimits {
        /// Which.
        service: ServiceKey,
        /// The new limits, whole.
        limits: Amounts,
        /// The new requests, whole; they stay where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests: Option<Amounts>,
    },
    /// Gives a service another image; all else of it stays as it is.
    UpgradeService {
        /// Which.
        service: ServiceKey,
        /// The image.
        image: String,
        /// How it comes in; as the spec says where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strategy: Option<Strategy>,
    },
    /// Goes back to an earlier generation's spec, as a new generation.
    RollbackService {
        /// Which.
        service: ServiceKey,
        /// The generation to go back to.
        to: Generation,
    },
    /// Asks for restarts: each instance must have been started after `at`.
    RestartInstances {
        /// Whose.
        service: ServiceKey,
        /// Which.
        instances: Vec<InstanceId>,
        /// Started before this means restart.
        at: Time,
    },
    /// Says that the current generation's rollout finished. Asked by the core itself.
    SettleService {
        /// Which.
        service: ServiceKey,
        /// Which generation settled; ignored if it is no longer current.
        generation: Generation,
    },
    /// Moves a rollout to its next mark. Asked by the core itself.
    AdvanceRollout {
        /// Of which service.
        service: ServiceKey,
        /// Of which generation; ignored if it is no longer current.
        generation: Generation,
        /// Where it stood; ignored if it stands there no longer, or is held.
        from: Mark,
        /// Where it stands then.
        to: Mark,
    },
    /// Moves a rollout to its next stage, whatever it waits for, and lets it go on.
    PromoteRollout {
        /// Of which service.
        service: ServiceKey,
        /// Of which generation.
        generation: Generation,
        /// Past all steps of a canary.
        #[serde(default)]
        full: bool,
    },
    /// Holds a rollout where it is.
    PauseRollout {
        /// Of which service.
        service: ServiceKey,
        /// Of which generation.
        generation: Generation,
    },
    /// Lets a rollout go on; its stage begins anew.
    ResumeRollout {
        /// Of which service.
        service: ServiceKey,
        /// Of which generation.
        generation: Generation,
    },
    /// Stores an encrypted secret.
    PutSecret {
        /// Its name.
        secret: SecretKey,
        /// The encrypted value.
        sealed: Sealed,
    },
    /// Removes a secret.
    DeleteSecret {
        /// Its name.
        secret: SecretKey,
    },
    /// Stops placing instances on a node.
    CordonNode {
        /// Which.
        node: NodeName,
    },
    /// Places instances on a node again; also ends a drain.
    UncordonNode {
        /// Which.
        node: NodeName,
    },
    /// Empties a node in graph order.
    DrainNode {
        /// Which.
        node: NodeName,
    },
    /// An agent must not act until resumed.
    PauseAgent {
        /// Which.
        agent: AgentName,
    },
    /// A paused agent may act again.
    ResumeAgent {
        /// Which.
        agent: AgentName,
    },
    /// An agent may act alone where policy says so, or no longer.
    SetAutonomy {
        /// Which.
        agent: AgentName,
        /// On what; `None` takes it away.
        autonomy: Option<Box<Autonomy>>,
    },
    /// Freezes changes for a while, or no longer.
    SetFreeze {
        /// What it is called.
        name: FreezeName,
        /// When and what; `None` lifts it.
        freeze: Option<Box<Freeze>>,
    },
    /// A person declares an emergency of theirs, or its end.
    SetGlass {
        /// The person's name.
        person: String,
        /// Until when, and why; `None` ends it.
        glass: Option<Glass>,
    },
    /// Puts other policies in force.
    SetPolicies {
        /// All of them, text by file name; `None` goes back to the shipped ones.
        policies: Option<Policies>,
    },
    /// Puts services back exactly as they were: the inverse of changes that touch services.
    RestoreServices {
        /// Each service's earlier state; `None` means it did not exist.
        services: BTreeMap<ServiceKey, Option<Box<crate::intent::Service>>>,
    },
    /// Several at once, all or none, in order.
    All {
        /// The parts.
        changes: Vec<Change>,
    },
}

impl Change {
    /// Why a change of this kind has no inverse; `None` where it has one.
    #[must_use]
    pub fn no_way_back(&self) -> Option<&'static str> {
        match self {
            Self::RestartInstances { .. } => Some(
                "a restart sets nothing that could be put back; what was started anew stays so",
            ),
            Self::SettleService { .. } => {
                Some("that a rollout finished is something that happened, not something wanted")
            }
            Self::AdvanceRollout { .. } | Self::PromoteRollout { .. } => Some(
                "what got traffic has had it; to leave the new version, abort the rollout or roll back",
            ),
            Self::SetAutonomy { autonomy: None, .. } => {
                Some("who may act alone again is for a person to say anew, with a certificate")
            }
            Self::SetGlass { glass: None, .. } => {
                Some("an emergency is declared anew by whoever has it, with a reason")
            }
            Self::All { changes } => changes.iter().find_map(Self::no_way_back),
            _ => None,
        }
    }
}

/// One service of an [`Change::ApplyServices`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePut {
    /// Which.
    pub service: ServiceKey,
    /// Words for selection.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it should be.
    pub spec: ServiceSpec,
}

/// What a change did: the new intent and the change that takes it back.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Applied {
    /// The intent afterwards, its revision one higher.
    pub intent: Intent,
    /// Applied to that intent, gives the services, secrets, nodes and agents as they were before
    /// (revision and generation numbers still only grow). `None` where there is no way back.
    pub inverse: Option<Change>,
}

/// Why a change cannot be applied to this intent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such service.
    #[error("there is no service `{service}`; services are: {known}")]
    NoService {
        /// What was asked for.
        service: ServiceKey,
        /// Up to ten that exist.
        known: String,
    },
    /// Outside the bounds of the spec.
    #[error(
        "{replicas} replicas of `{service}` are outside its bounds {min} to {max}; change `spec.replicas` first"
    )]
    OutOfBounds {
        /// Which service.
        service: ServiceKey,
        /// What was asked for.
        replicas: u32,
        /// The lower bound.
        min: u32,
        /// The upper bound.
        max: u32,
    },
    /// No such generation.
    #[error("service `{service}` has no generation {generation} to go back to; it has: {known}")]
    NoGeneration {
        /// Which service.
        service: ServiceKey,
        /// What was asked for.
        generation: Generation,
        /// Those that exist.
        known: String,
    },
    /// Nothing new is on its way in.
    #[error(
        "service `{service}` rolls nothing out now; a rollout begins when it is applied with a change of its instances"
    )]
    NoRollout {
        /// Which service.
        service: ServiceKey,
    },
    /// A newer generation took over.
    #[error("generation {generation} of `{service}` does not roll out; generation {current} does")]
    AnotherRollout {
        /// Which service.
        service: ServiceKey,
        /// What was asked for.
        generation: Generation,
        /// What rolls out.
        current: Generation,
    },
    /// The strategy has no stages, or the last one is reached.
    #[error(
        "the rollout of `{service}` (strategy `{strategy}`) waits for nobody now; it goes on by itself, or resume it where it is paused"
    )]
    NothingToPromote {
        /// Which service.
        service: ServiceKey,
        /// How it rolls out.
        strategy: &'static str,
    },
    /// The needs form a cycle.
    #[error("the services need each other in a cycle: {cycle}; remove one of these needs")]
    Cycle {
        /// The names along the cycle.
        cycle: String,
    },
    /// A need names a service that is nowhere.
    #[error(
        "service `{service}` needs `{need}`, which does not exist; apply it first or in the same file"
    )]
    MissingNeed {
        /// Which service.
        service: ServiceKey,
        /// What it needs.
        need: ServiceKey,
    },
    /// Others need it.
    #[error("service `{service}` is needed by {dependents}; delete those first")]
    Needed {
        /// Which service.
        service: ServiceKey,
        /// Who needs it.
        dependents: String,
    },
    /// Two services publish the same host port.
    #[error(
        "host port {port} is published by both `{first}` and `{second}`; choose another `publish`"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// One service.
        first: ServiceKey,
        /// The other.
        second: ServiceKey,
    },
    /// Too much law.
    #[error("{found} {what} are more than the {limit} that are accepted")]
    TooMuchLaw {
        /// Of what.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// There is nothing to lift or to end.
    #[error("{0}")]
    NotInForce(String),
    /// Changes nested in changes, too deep.
    #[error("changes are nested deeper than {limit} levels; write them as one flat list")]
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// No such secret.
    #[error("there is no secret `{0}`")]
    NoSecret(SecretKey),
    /// A spec that is not acceptable.
    #[error(transparent)]
    Spec(#[from] crate::spec::InvalidManifest),
}
